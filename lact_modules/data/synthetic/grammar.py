"""Sentences for the synthetic corpus, written by a small grammar."""

from random import Random

GRAMMAR = """
sentence = request
    | PLEASE request
    | CAN YOU request
    | DO NOT request
    | person past object
    | person past object when
    | person motion TO THE place
    | person motion TO THE place how
    | person WILL future when
    | person AND person WILL future
    | WHY DID person future
    | WHERE IS THE quality thing
    | WHO past object
    | HOW MANY plural ARE spot
    | THERE ARE number plural spot
    | THERE IS A quality thing spot
    | number plural WERE spot
    | THE thing IS quality AND quality
    | THE animal animal_verb spot
    | THE quality animal animal_verb when
    | WOULD YOU LIKE food OR food
    | WE HAVE NO MORE food when
    | IT WAS weather when
    | IT WILL BE weather AND weather when
    | I THINK person past object
    | TURN switch THE device
    | WAS THE device switch when

request = OPEN THE opening
    | SHUT THE opening how
    | PUT object spot
    | BRING ME object
    | FIND object spot
    | GIVE object TO person
    | CARRY object TO THE place
    | TURN switch THE device IN THE place
    | future how

object = THE thing | THE quality thing | A quality thing | number plural

thing = LAMP | BOX | BOTTLE | BASKET | JACKET | LETTER | PICTURE | TICKET | HAMMER
    | GUITAR | CAMERA | MIRROR | PENCIL | ZIPPER

quality = RED | GREEN | YELLOW | PURPLE | BROWN | SILVER | SMALL | HEAVY | BROKEN
    | CLEAN | SQUARE

plural = APPLES | BIRDS | TRUCKS | FLOWERS | COINS | SHIPS | CAKES | BOOKS

number = THREE | FIVE | SIX | SEVEN | TEN | TWENTY | SEVERAL

place = KITCHEN | GARDEN | OFFICE | LIBRARY | STATION | MARKET | HOSPITAL | MUSEUM
    | FOREST | BRIDGE | SCHOOL

furniture = TABLE | CHAIR | SOFA | SHELF | PIANO | FENCE

opening = DOOR | WINDOW | GATE | DRAWER

device = RADIO | HEATER | ENGINE | COMPUTER

switch = ON | OFF

spot = IN THE place | NEAR THE place | NEAR THE opening | BEHIND THE furniture
    | UNDER THE furniture | BESIDE THE furniture

person = ANNA | PETER | MARIA | DAVID | MY MOTHER | MY FATHER | HIS BROTHER
    | HER SISTER | THE DOCTOR | THE TEACHER | THE FARMER | THE YOUNG QUEEN

past = FOUND | LOST | BOUGHT | CARRIED | PAINTED | DROPPED | FORGOT | WANTED | MOVED

motion = WALKED | DROVE | HURRIED | RETURNED

future = LEAVE | SING | DANCE | SLEEP | COOK | STUDY | VISIT person | HELP person
    | CALL person | SPEAK TO person | WAIT NEAR THE place

how = QUICKLY | SLOWLY | CAREFULLY | AGAIN | TOGETHER

when = TODAY | TOMORROW | TONIGHT | THIS MORNING | THIS EVENING | AFTER LUNCH
    | BEFORE DINNER | ON MONDAY | ON FRIDAY | EVERY SUMMER | LAST WINTER

animal = DOG | HORSE | RABBIT | FOX | ZEBRA | MONKEY

animal_verb = JUMPED | PLAYED | WAITED | SLEPT

food = COFFEE | MILK | WATER | JUICE | SOUP | BREAD | CHEESE | HONEY

weather = COLD | WARM | DARK | QUIET | CLOUDY | WINDY
"""
"""Rules in lower case, their alternatives in bars, spoken words in upper case.

Homophones are skipped, and all words that can follow A begin with a consonant.
"""

SHORTEST, LONGEST = 3, 8
"""Words of a sentence."""


def _parse(grammar: str) -> dict[str, list[str]]:
    rules = {}
    for rule in grammar.strip().split("\n\n"):
        name, _, alternatives = rule.partition("=")
        rules[name.strip()] = alternatives.split("|")
    return rules


_RULES = _parse(GRAMMAR)


def write_sentence(random: Random) -> str:
    """Write one sentence of 3 to 8 upper-case words."""
    while True:
        words = _expand("sentence", random)
        if SHORTEST <= len(words) <= LONGEST:
            return " ".join(words)


def vocabulary() -> set[str]:
    """Return every word that a sentence can hold."""
    return {word for word in GRAMMAR.split() if word.isupper()}


def _expand(text: str, random: Random) -> list[str]:
    words: list[str] = []
    for word in text.split():
        if word in _RULES:
            words += _expand(random.choice(_RULES[word]), random)
        else:
            words.append(word)
    return words
