"""Holes are told apart by how far their middle is from their edge."""

import numpy as np

from pipeline.restoration.shapes import by_shape


def test_a_line_is_thin_and_a_patch_is_wide():
    mask = np.zeros((60, 60), bool)
    mask[5, 5:50] = True
    mask[30:50, 30:50] = True
    parts = by_shape(mask)
    assert parts["thin"].sum() == 45 and parts["thin"][5, 20]
    assert parts["wide"].sum() == 400 and parts["wide"][40, 40]


def test_a_line_that_touches_a_patch_belongs_to_it():
    mask = np.zeros((60, 60), bool)
    mask[40, 5:30] = True
    mask[30:50, 30:50] = True
    parts = by_shape(mask)
    assert not parts["thin"].any() and np.array_equal(parts["wide"], mask)


def test_the_border_of_the_picture_is_no_edge_of_a_hole():
    mask = np.zeros((60, 60), bool)
    mask[:5] = True  # five rows, seen from one side only
    assert by_shape(mask)["wide"].sum() == 5 * 60


def test_no_hole_gives_two_empty_parts():
    parts = by_shape(np.zeros((4, 4), bool))
    assert not parts["thin"].any() and not parts["wide"].any()
