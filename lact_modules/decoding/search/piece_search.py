"""A search for words of a lexicon that are spelled in pieces, without delimiters."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from flashlight.lib.text.decoder import (
    CriterionType,
    Trie,
    TrieNode,
)

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.decoding.search.found import IMPOSSIBLE
from lact_modules.decoding.search.lexicon import Lexicon
from lact_modules.decoding.search.segmentation import Node
from lact_modules.decoding.search.word_search import TrieSearch

_Following = dict[int, TrieNode]
"""Where to continue from a place, by column."""


class PieceSearch(TrieSearch):
    """Output words of a lexicon, each with its last piece.

    Flashlight leaves a word with the first frame of its last piece, and takes all that
    follows for blanks: a piece that lasts for two frames would cost its word a frame of
    something else. So the places of CTC are spelled out here: a piece repeats, a blank
    may be between two pieces and has to be between equal ones, and a word is left with
    the *last* frame of its last piece, which is a column of its own with the piece's
    log-probabilities.
    """

    def __init__(
        self,
        vocabulary: SubwordVocabulary,
        lexicon: Lexicon,
        lm: str | Path | None,
        **options: Any,
    ):
        super().__init__(vocabulary, lexicon, lm, **options)
        last = sorted({self._token_ids[spelling[-1]] for _, spelling in lexicon})
        self._ends = {piece: len(vocabulary) + i for i, piece in enumerate(last)}
        self._columns = [*self._columns, *last]
        # most pieces have two columns
        self._settings["beam_size_token"] *= 2
        self._settings["criterion_type"] = CriterionType.ASG
        self._trie = Trie(len(self._columns), self._blank)
        self._trie.search([]).children = self._build(self._make_tree(lexicon))
        self._decoder = self._make()

    def _make(self) -> Any:
        return self._decode(self._blank, self._forbid().ravel().tolist())

    def _forbid(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Score steps (to, from) between columns: no word begins with a repetition."""
        steps = np.zeros((len(self._columns),) * 2, dtype=np.float32)
        for piece, end in self._ends.items():
            steps[[piece, end], end] = IMPOSSIBLE
        return steps

    def _build(self, root: Node) -> _Following:
        """Make flashlight's nodes of a tree of spellings, from the leaves on."""
        going_on: dict[int, TrieNode] = {}
        leaving: dict[int, _Following] = {}

        def follow(node: Node) -> _Following:
            found: _Following = {}
            for piece, child in node.children.items():
                found |= {piece: going_on[id(child)], **leaving[id(child)]}
            return found

        for piece, node in reversed([*_walk(root)]):
            following = follow(node)
            others = {
                column: place
                for column, place in following.items()
                if self._columns[column] != piece
            }
            leave = leaving[id(node)] = self._leave(piece, node)
            if following:
                best = max(place.max_score for place in following.values())
                others[self._blank] = _make_node(self._blank, best, following)
            going_on[id(node)] = _make_node(piece, node.best, {**others, **leave})
        return follow(root)

    def _leave(self, piece: int, node: Node) -> _Following:
        """Return the way out of the words that end with a piece, if there are any."""
        if not node.words:
            return {}
        column = self._ends[piece]
        leaf = _make_node(column, node.best_here, {})
        leaf.labels = node.words
        leaf.scores = [0.0] * len(node.words)
        return {column: leaf}


def _walk(root: Node) -> Iterator[tuple[int, Node]]:
    """Yield all nodes but the root with the piece that leads there, parents first."""
    waiting = [*root.children.items()]
    while waiting:
        piece, node = waiting.pop()
        yield piece, node
        waiting += node.children.items()


def _make_node(column: int, best: float, following: _Following) -> TrieNode:
    node = TrieNode(column)
    node.max_score = best
    node.children = following
    return node
