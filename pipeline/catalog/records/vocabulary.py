"""The vocabulary of nationalities and schools: the adjectives that The Metropolitan Museum of Art uses.

Related adjectives that records distinguish stay distinct: English, Scottish and British; Dutch, Flemish
and Netherlandish; Chinese and Tibetan. Cities and regions count as their country: Venetian is Italian.
"""

from __future__ import annotations

import re

# Adjective -> other words for it: countries, demonyms, regions, other spellings.
_WORDS = {
    "African": "africa", "Albanian": "albania", "Algerian": "algeria", "American": (
        "usa; us; u.s.; u.s.a.; united states; united states of america; america; north american"
    ),
    "Argentinian": "argentina; argentine; argentinean", "Armenian": "armenia", "Asian": "asia",
    "Assyrian": "assyria", "Australian": "australia", "Austrian": "austria; viennese; tyrolean",
    "Azerbaijani": "azerbaijan", "Babylonian": "babylonia", "Bamana": "", "Bangladeshi": "bangladesh",
    "Belarusian": "belarus", "Belgian": "belgium", "Beninese": "benin", "Bohemian": "bohemia",
    "Bolivian": "bolivia", "Bosnian": "bosnia", "Brazilian": "brazil; brasil; brasilian",
    "British": "britain; great britain; uk; u.k.; united kingdom; anglo-irish",
    "Bulgarian": "bulgaria", "Burmese": "burma; myanmar", "Byzantine": "byzantium",
    "Cambodian": "cambodia", "Cameroonian": "cameroon", "Canadian": "canada", "Catalan": "catalonia",
    "Chilean": "chile", "Chinese": "china; manchu; hong kong", "Chola": "", "Colombian": "colombia",
    "Congolese": "congo; kuba; kuba congolese", "Coptic": "coptic egyptian", "Costa Rican": "costa rica",
    "Croatian": "croatia", "Cuban": "cuba", "Cypriot": "cyprus", "Czech": "czech republic; czechoslovak;"
    " czechoslovakian; czechoslovakia; czechia; moravian",
    "Danish": "denmark; dane", "Dominican": "dominican republic",
    "Dutch": "holland; netherlands; the netherlands; hollandish; delft",
    "Eastern European": "", "Ecuadorian": "ecuador", "Egyptian": "egypt", "English": "england",
    "Estonian": "estonia", "Ethiopian": "ethiopia", "Etruscan": "", "European": "europe",
    "Filipino": "philippines; philippine", "Finnish": "finland; finn",
    "Flemish": "flanders; flandrian; south netherlandish flemish",
    "French": "france; parisian; burgundian; provençal; provencal; franco-flemish; lorraine; breton",
    "Georgian": "georgia", "German": (
        "germany; bavarian; swabian; franconian; rhenish; saxon; westphalian; prussian; cologne; east german"
        "; west german"
    ),
    "Ghanaian": "ghana", "Greco-Bactrian": "", "Greco-Persian": "", "Greek": "greece; cretan",
    "Guatemalan": "guatemala", "Guinean": "guinea", "Haitian": "haiti", "Hungarian": "hungary",
    "Icelandic": "iceland", "Indian": "india; rajasthani; mughal; pahari; deccani", "Indo-Persian": "",
    "Indonesian": "indonesia; javanese; balinese", "Iranian": "iran", "Iraqi": "iraq",
    "Irish": "ireland; northern irish; northern ireland", "Israeli": "israel", "Italian": (
        "italy; venetian; florentine; sienese; roman italian; milanese; lombard; bolognese; neapolitan"
        "; genoese; sicilian; umbrian; tuscan; ferrarese; paduan; veronese; emilian; piedmontese; ligurian"
        "; marchigian; pisan; cremonese; romagnole; sardinian; lucchese; mantuan; parmese; riminese; brescian"
    ),
    "Ivorian": "ivory coast; côte d'ivoire", "Jamaican": "jamaica",
    "Japanese": "japan", "Jewish": "", "Jordanian": "jordan", "Kenyan": "kenya", "Khmer": "", "Kissi": "",
    "Korean": "korea; south korean; south korea; north korean; north korea; republic of korea",
    "Latin American": "latin america", "Latvian": "latvia", "Lebanese": "lebanon", "Liberian": "liberia",
    "Lithuanian": "lithuania", "Luxembourgish": "luxembourg; luxembourger", "Macedonian": "macedonia",
    "Malaysian": "malaysia", "Malian": "mali", "Maltese": "malta", "Mesopotamian": "mesopotamia",
    "Mexican": "mexico; méxico", "Moroccan": "morocco", "Native American": "american indian",
    "Near Eastern": "near east; middle eastern; middle east",
    "Nepalese": "nepal; nepali", "Netherlandish": "early netherlandish; mosan; bruges",
    "New Zealander": "new zealand; new zealand maori; maori", "Nicaraguan": "nicaragua",
    "Nigerian": "nigeria", "North African": "north africa", "Norwegian": "norway",
    "Ottoman": "", "Pakistani": "pakistan", "Palestinian": "palestine", "Panamanian": "panama",
    "Paraguayan": "paraguay", "Persian": "persia; seljuk", "Peruvian": "peru; perú", "Phoenician": "",
    "Polish": "poland; polska; pole", "Portuguese": "portugal", "Puerto Rican": "puerto rico",
    "Roman": "ancient roman; rome", "Romanian": "romania; rumanian; roumanian",
    "Russian": "russia; russian federation; ussr; soviet", "Salvadoran": "el salvador",
    "Scandinavian": "scandinavia", "Scottish": "scotland; scots; scotch", "Senegalese": "senegal",
    "Serbian": "serbia; yugoslav; yugoslavian", "Singaporean": "singapore",
    "Slovak": "slovakia; slovakian", "Slovenian": "slovenia; slovene", "South African": "south africa",
    "South American": "south america", "Southeast Asian": "southeast asia",
    "Spanish": "spain; castilian; aragonese; valencian; andalusian; sevillian; hispano-flemish",
    "Sri Lankan": "sri lanka; ceylonese", "Sudanese": "sudan", "Sumerian": "sumer",
    "Swedish": "sweden; swede",
    "Swiss": "switzerland", "Syrian": "syria", "Taiwanese": "taiwan", "Tanzanian": "tanzania",
    "Thai": "thailand; siamese", "Tibetan": "tibet", "Tunisian": "tunisia", "Turkish": "turkey; turk",
    "Ugandan": "uganda", "Ukrainian": "ukraine", "Uruguayan": "uruguay", "Venezuelan": "venezuela",
    "Vietnamese": "vietnam", "Welsh": "wales", "Yoruba": "yoruban", "Zimbabwean": "zimbabwe",
}  # fmt: skip
_KNOWN = {adjective.lower(): adjective for adjective in _WORDS} | {
    word.strip(): adjective
    for adjective, words in _WORDS.items()
    for word in words.split(";")
    if word.strip()
}
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_APART = re.compile(r"[,;/|]| or | and |\?")
_HEDGE = re.compile(r"^(?:probably|possibly|perhaps|ancient|born in|born)\s+")
_DIRECTION = re.compile(r"^(?:(?:north|south|east|west)(?:ern)?|central|upper|lower|early|late|mid)[ -]+")
MAX_LENGTH = 200  # characters; a longer text is not a nationality


def adjective(word: str) -> str | None:
    """The vocabulary's adjective for one word or phrase: "Germany", "german" and "Bavarian" are "German".

    Returns:
        None for a word that is not in the vocabulary.
    """
    key = " ".join(word.replace("(", " ").replace(")", " ").lower().split())
    if key in _KNOWN:
        return _KNOWN[key]
    plain = _DIRECTION.sub("", _HEDGE.sub("", key))
    return _KNOWN.get(plain) if plain != key else None


def nationality(written: str | None) -> str | None:
    """The nationality in a record as an adjective; of several the first in the vocabulary.

    "Chinese, Manchu" is Chinese, "Northern Italian; possibly Verona" Italian, "Italian or Spanish"
    Italian; "undetermined" and words that are not in the vocabulary are None.
    """
    if not written or len(written) > MAX_LENGTH:
        return None
    whole = adjective(written)
    if whole:
        return whole
    return next((found for part in _APART.split(written) if (found := adjective(part))), None)


def country_or_adjective(text: str) -> str | None:
    """The first word of a longer text that names a nationality or a country ("Eastern Tibet, Kham")."""
    for word in _WORD.findall(text[:MAX_LENGTH]):
        if word[0].isupper() and (found := adjective(word)):
            return found
    return None
