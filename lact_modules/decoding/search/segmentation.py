"""Words of a language without spaces: cut what is spelled into words."""

from math import inf
from typing import Any, NamedTuple, Optional

from flashlight.lib.text.decoder import LM, LMState

# Segmentations kept for a text; more would seldom lead to the best of a longer one.
_MAX_SEGMENTATIONS = 16

# Of texts that end within a word: far below those that do not.
_UNFINISHED = -1e3


class Node:
    """A place in the spellings of words: what may follow, and which words end here.

    `depth` tokens lead here.
    """

    __slots__ = ("best", "best_here", "children", "depth", "words")

    def __init__(self, depth: int = 0):
        self.children: dict[int, Node] = {}
        self.words: list[int] = []
        self.depth = depth
        # by the language model and without context: of the words that end here or
        # later, and of those that end here
        self.best = self.best_here = -inf

    def insert(self, spelling: list[int], word: int, score: float) -> None:
        """Add a word, spelled in ids of tokens."""
        node = self
        for token in spelling:
            node = node.children.setdefault(token, Node(node.depth + 1))
            node.best = max(node.best, score)
        node.words.append(word)
        node.best_here = max(node.best_here, score)


class Cut(NamedTuple):
    """A word of a text, from the tokens before it to its last; and the word before."""

    word: int
    begin: int
    end: int
    before: Optional["Cut"]


class _Segmentation(NamedTuple):
    """A text cut into words, the last of which may continue."""

    node: Node
    lm_state: Any
    score: float
    last: Cut | None


class _Text(NamedTuple):
    """A text's number of tokens, its segmentations, best first, and its score."""

    length: int
    candidates: list[_Segmentation]
    score: float


class SegmentingLM(LM):
    """A language model of words that scores token by token.

    A text has the score of its best segmentation into words, which includes a word from
    its first token on; a text without one is impossible. Delimiters may separate words.
    """

    def __init__(
        self, lm: Any, root: Node, delimiter: int, lm_weight: float, word_score: float
    ):
        super().__init__()
        self._lm, self._root, self._delimiter = lm, root, delimiter
        self._lm_weight, self._word_score = lm_weight, word_score
        self._nowhere = LMState()
        self._first = LMState()
        self._texts: dict[Any, _Text] = {}

    def start(self, start_with_nothing: bool) -> Any:
        """Return the state before a text, and forget all others."""
        self._first = LMState()
        candidate = _Segmentation(
            self._root, self._lm.start(start_with_nothing), 0.0, None
        )
        self._texts = {self._first: _Text(0, [candidate], 0.0)}
        return self._first

    def score(self, state: Any, token: int) -> tuple[Any, float]:
        """Return the state after one more token, and what it adds to the score."""
        text = self._texts[state]
        if token == self._delimiter:
            fits = any(candidate.node is self._root for candidate in text.candidates)
        else:
            fits = any(
                token in candidate.node.children for candidate in text.candidates
            )
        if not fits:
            return self._nowhere, -inf
        after = state.child(token)
        if after not in self._texts:
            self._texts[after] = self._extend(text, token)
        return after, self._texts[after].score - text.score

    def finish(self, state: Any) -> tuple[Any, float]:
        """Return the state after the text's end, and what that adds to the score."""
        text = self._texts[state]
        after = state.child(-1)
        if after not in self._texts:
            self._texts[after] = self._end(text)
        return after, self._texts[after].score - text.score

    def cut(self, tokens: list[int], is_final: bool) -> list[Cut]:
        """Cut a searched text into words; tokens behind the last are no word yet."""
        text = self._texts[self._first]
        # flashlight ends every text with a delimiter, also within a word
        if is_final and tokens[-1:] == [self._delimiter]:
            tokens = tokens[:-1]
        for token in tokens:
            text = self._extend(text, token)
        if is_final:
            text = self._end(text)
        words: list[Cut] = []
        last = text.candidates[0].last
        while last is not None:
            words.append(last)
            last = last.before
        return words[::-1]

    def _extend(self, text: _Text, token: int) -> _Text:
        length = text.length + 1
        if token == self._delimiter:
            candidates = [
                candidate
                for candidate in text.candidates
                if candidate.node is self._root
            ]
            return _Text(length, candidates, candidates[0].score)
        candidates = []
        for candidate in text.candidates:
            node = candidate.node.children.get(token)
            if node is None:
                continue
            if node.children:
                candidates.append(candidate._replace(node=node))
            for word in node.words:
                lm_state, added = self._lm.score(candidate.lm_state, word)
                score = candidate.score + self._lm_weight * added + self._word_score
                last = Cut(word, length - node.depth, length, candidate.last)
                candidates.append(_Segmentation(self._root, lm_state, score, last))
        candidates = sorted(candidates, key=self._rate, reverse=True)[
            :_MAX_SEGMENTATIONS
        ]
        return _Text(length, candidates, self._rate(candidates[0]))

    def _end(self, text: _Text) -> _Text:
        ended = []
        for candidate in text.candidates:
            if candidate.node is self._root:
                _, added = self._lm.finish(candidate.lm_state)
                ended.append(
                    candidate._replace(score=candidate.score + self._lm_weight * added)
                )
        if not ended:
            return text._replace(score=text.score + _UNFINISHED)
        best = max(ended, key=lambda candidate: candidate.score)
        return _Text(text.length, [best], best.score)

    def _rate(self, candidate: _Segmentation) -> float:
        """Score a segmentation with the best completion of its last word."""
        if candidate.node is self._root:
            return candidate.score
        return candidate.score + self._lm_weight * candidate.node.best
