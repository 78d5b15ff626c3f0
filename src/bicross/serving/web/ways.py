"""The settings of a search as a page names them: "auto" and a number read again, "fused", "dense", "lexical"."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from bicross.serving.web.words import Words
from bicross.settings import SearchSettings, StageName

SHOWN = 10  # hits
OFFERED = ("auto", "5", "10", "20", "50", "100", "fused", "dense", "lexical")
COLUMNS = ("lexical", "dense", "fused")  # the stages that recall has, as `Hit.stages` names them


@dataclass(frozen=True, slots=True)
class Way:
    """A way to search. `name` is what an address holds, `settings` what it means."""

    name: str
    settings: SearchSettings

    @classmethod
    def of(cls, name: str) -> Way:
        """The way of this name; one that is not known is the usual one."""
        stages: dict[str, StageName] = {"fused": "fused", "dense": "dense", "lexical": "lexical"}
        if name in stages:
            return cls(name, SearchSettings(k=SHOWN, stage=stages[name], explain=True))
        try:
            return cls(name, SearchSettings(k=SHOWN, depth=int(name[:5]), explain=True))
        except (ValueError, ValidationError):
            return cls("auto", SearchSettings(k=SHOWN, explain=True))

    def said(self, t: Words) -> str:
        """The way in words."""
        if self.settings.stage == "both" and self.name != "auto":
            return t("way_both", depth=self.settings.depth)
        return t(f"way_{self.name}")


def choices(chosen: Way, t: Words) -> list[tuple[str, str, bool]]:
    """What a page offers: (name, words, whether it is the chosen one)."""
    names = OFFERED if chosen.name in OFFERED else (*OFFERED, chosen.name)
    return [(name, Way.of(name).said(t), name == chosen.name) for name in names]
