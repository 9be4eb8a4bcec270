"""XMP packets (ISO 16684-1): one statement on how a picture was made, added to what is there."""

from __future__ import annotations

import re

PROPERTY = "Iptc4xmpExt:DigitalSourceType"
_NAMESPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_END = "</rdf:RDF>"
_ATTRIBUTE = re.compile(r"""(\bIptc4xmpExt:DigitalSourceType\s*=\s*)("[^"]*"|'[^']*')""")
_ELEMENT = re.compile(r"(<Iptc4xmpExt:DigitalSourceType\b[^>]*>)[^<]*(</Iptc4xmpExt:DigitalSourceType>)")

_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    f"{_END}\n</x:xmpmeta>\n"
    '<?xpacket end="w"?>'
)


def with_source_type(packet: bytes | None, uri: str) -> bytes | None:
    """The packet with its IPTC digital source type set to `uri`; all its other bytes stay.

    Args:
        packet: a packet in UTF-8, or None when the file has none.
        uri: a term of http://cv.iptc.org/newscodes/digitalsourcetype/.

    Returns:
        The new packet, or None when the old one is not of a form that can be added to safely.
    """
    try:
        text = _EMPTY if packet is None else packet.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if _ATTRIBUTE.search(text):
        return _ATTRIBUTE.sub(rf'\g<1>"{uri}"', text).encode()
    if _ELEMENT.search(text):
        return _ELEMENT.sub(rf"\g<1>{uri}\g<2>", text).encode()
    if PROPERTY in text or text.count(_END) != 1:
        return None
    subject = re.search(r'rdf:about="([^"]*)"', text)
    statement = (
        f'<rdf:Description rdf:about="{subject.group(1) if subject else ""}" '
        f'xmlns:Iptc4xmpExt="{_NAMESPACE}" {PROPERTY}="{uri}"/>\n'
    )
    return text.replace(_END, statement + _END).encode()
