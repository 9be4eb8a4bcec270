"""The vocabulary of media and supports: a term per line, its synonyms after the colon.

A line that begins with a space continues the line above.
"""

from __future__ import annotations

import re

_MATERIALS = """
oil: oil paint; oils; oil colour; oil color; oil glazes
tempera: egg tempera
distemper: glue tempera
acrylic: acrylic paint; acrylics; synthetic polymer paint; liquitex
alkyd: alkyd paint
polyvinyl acetate paint: vinyl paint; pva paint
household paint: emulsion paint; house paint; gloss paint; commercial paint
enamel paint: metallic paint; spray paint; aerosol paint
paint: painted; water-based pigment; pigment; pigments; mixed paint
casein
fresco
encaustic
wax
watercolor: watercolour; watercolors; watercolours; transparent watercolor
gouache: bodycolour; bodycolor; opaque watercolor; opaque watercolour; body color
ink: inks; pen and ink; india ink; ink wash; pen; brush and ink; black ink; brown ink; blue ink
wash
bistre: bister
sepia
charcoal
chalk: chalks; sanguine
crayon: conté crayon; wax crayon; conte crayon; crayons; oil crayon; litho crayon
pastel: pastels; oil pastel
graphite: pencil; lead pencil
colored pencil: coloured pencil; colored pencils; crayon pencil
metalpoint: silverpoint
felt-tip pen: felt tip; marker; felt pen
ballpoint pen: ballpoint; biro
gold: gold leaf; gold paint; gold ground; shell gold; gilding; gilt; gilded; gilded decoration
silver: silver leaf; sterling silver; silver gilt
etching: etchings; photo-etching; relief etching; soft-ground etching
aquatint
engraving: engravings; line engraving; stipple engraving; line-engraving; stipple
drypoint
mezzotint: mezzotint engraving
intaglio print: intaglio
lithograph: lithographs; color lithograph; lithography; transfer lithograph; offset lithograph;
  chromolithograph; colour lithograph; offset print
screenprint: screenprints; silkscreen; serigraph; silkscreen print; screen print
woodcut: woodcuts; woodblock print; woodblock; color woodcut; color woodblock print; woodblock prints
wood engraving: wood engravings; wood-engraving
linocut: linocut print; linoleum cut
monoprint: monotype
relief print: relief
letterpress
stencil: pochoir
print: prints; printed
blueprint: blueline print; blackline print; diazotype
photocopy: photocopies; xerox
typescript: typewriting
cliché-verre: cliche-verre
gelatin silver print: gelatin silver prints; gelatine silver print; silver gelatin print
albumen print: albumen prints; albumen silver print; albumen
chromogenic print: chromogenic prints; c-print; type c print; chromogenic color print
dye destruction print: silver-dye bleach print; cibachrome; cibachrome print; ilfochrome print
dye transfer print: dye transfer
platinum print: palladium print; platinum prints; platinum/palladium print
salted paper print: salt print; calotype
cyanotype
daguerreotype: daguerreotypes
ambrotype
tintype: ferrotype
photogravure: photogravures; gravure; heliogravure
photogram
collotype
mosaic
inkjet print: inkjet; digital print; giclée print; pigment print; inkjet prints; iris print; laser print;
  color laser print; digital inkjet print
instant print: polaroid; dye diffusion transfer print; polaroid print
photograph: photographs; photography
slide: slides; transparency; transparencies
film: 16mm film; 35mm film; 8mm; 16mm; 35mm
video: videotape; dvd; single-channel video
sound: audio; audiotrack
neon: fluorescent tube; fluorescent light; fluorescent lights
collage: papier collé; collaged paper
mixed media: various materials
bronze: aluminum bronze
brass
copper: copper plate; copper wire
steel: stainless steel; mild steel
iron: cast iron; wrought iron
aluminum: aluminium
lead
pewter
tin
zinc
metal: metals; white metal; gilt metal
platinum
nickel: paktong
marble
limestone: portland stone; bath stone; hoptonwood stone
alabaster
granite
sandstone
slate
jade
stone
terracotta: terra cotta
plaster: plaster of paris; gesso
clay
concrete: cement
brick: bricks
porcelain: soft paste porcelain; hard-paste porcelain; bone china; soft-paste porcelain
earthenware: creamware; pearlware; majolica; faience; fritware
bisque
stoneware: black basaltes; jasperware; jasper; basalt
ceramic: ceramics; pottery
enamel: enamels; enamel decoration
lustre: luster
glaze: glazed
glass: pressed glass; leaded glass; cut glass; stained glass; blown glass
mirror: mirrors
wood: wooden; plywood; softwood; hardwood; chipboard; veneer
oak
walnut
mahogany
maple
pine
cherry
birch
beech
rosewood
limewood: linden
lacquer: urushi
bamboo
ivory
bone
horn
shell: mother-of-pearl; tortoiseshell
leather
feathers: feather
hair: horsehair
cotton: calico; muslin
linen: flax; flax thread
silk: satin; silk satin
wool: worsted
velvet: silk velvet; cut velvet
felt
tapestry
fabric: textile; textiles; cloth; fibre; fiber; synthetic fibre; synthetic fabrics; nylon; polyester
thread: yarn; embroidery
string: rope; cord
canvas: canvases
paper: papers; printed paper; newspaper; tissue
card: cardboard; paperboard; board
papier-mâché: papier mache
rubber: latex; silicone
plastic: perspex; plexiglas; plexiglass; vinyl; acrylic sheet; polystyrene; acrylic glass; plastics; lucite;
  pvc
resin: polyester resin; epoxy; epoxy resin
fiberglass: fibreglass; glass fibre
foam: polyurethane; polyurethane foam; polyurethane rubber
bitumen: tar
varnish: shellac
sand
"""
_SUPPORTS = """
canvas: canvases; linen canvas; jute canvas; cotton duck; duck
panel: panels; wood panel; oak panel; linden panel; cradled panel; wooden panel; poplar panel
wood: plywood; spruce; poplar; walnut; cedar; pine; beech; linden; veneer; limewood; chipboard; timber
oak: baltic oak
mahogany
copper: copper plate
tin
zinc
aluminum: aluminium
steel
metal: iron
slate
paper: laid paper; wove paper; tracing paper; india paper; tissue paper; papers; printed paper; chinese
  paper; graph paper; handmade paper; paperboard paper; vélin; rice paper; japan paper; tissue
cardboard: paperboard; card; cardstock; index card; cabinet card; composition card; cards
board: artist's board; illustration board; composition board; canvas board; millboard; mat board; academy
  board; canvasboard; academy-board; paper board
hardboard: masonite; pressed hardboard; fibreboard; fiberboard; mdf; pressed board; foam board
parchment: vellum
ivory
silk
linen: cloth; cotton
fabric: velvet; textile; muslin; calico; felt; burlap; hessian
glass: mirror
plaster: wall
plastic: perspex; plexiglas; plexiglass; mylar; acetate; acrylic; vinyl; film; acrylic glass
ceramic: porcelain; earthenware; terracotta
leather
"""


def _index(table: str) -> dict[str, str]:
    """Word to term."""
    index: dict[str, str] = {}
    for line in table.replace("\n ", "").strip().splitlines():
        term, _, others = line.partition(":")
        index |= {word.strip(): term for word in [term, *others.split(";")] if word.strip()}
    return index


def _pattern(index: dict[str, str]) -> re.Pattern[str]:
    """Finds the longest words first, and none inside another word."""
    words = "|".join(re.escape(word) for word in sorted(index, key=lambda word: (-len(word), word)))
    return re.compile(rf"(?<![\w-])(?:{words})(?!\w)")


MATERIALS, SUPPORTS = _index(_MATERIALS), _index(_SUPPORTS)
MATERIAL, SUPPORT = _pattern(MATERIALS), _pattern(SUPPORTS)
