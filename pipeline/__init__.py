"""The stages, models and engines of Pentimento. Nothing here imports Prefect or DVC."""
