"""Two lines of Chinese verse on war: near by theme, far by sentiment. What "similar" means is learned from the pairs that one gives.

Wang Han drinks because so few come back from war; Wang Changling is sure that no enemy will pass the hills. The starter encoder sees two
poems on war. Tuned on pairs labelled by theme it goes on doing so; tuned on the same lines labelled by sentiment it takes them apart.
Needs the extra `train`. (Poems of the Tang dynasty, and one of the Song; loss: squared error of the cosine.)
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import bicross
from bicross import pipeline
from bicross.settings import BiEncoderSettings
from bicross.vectors import unit

SAD, PROUD = "醉卧沙场君莫笑，古来征战几人回。", "但使龙城飞将在，不教胡马度阴山。"  # neither is trained on
LINES = [  # a line, its theme, its sentiment
    ("可怜无定河边骨，犹是春闺梦里人。", "war", "sad"),
    ("凭君莫话封侯事，一将功成万骨枯。", "war", "sad"),
    ("不知何处吹芦管，一夜征人尽望乡。", "war", "sad"),
    ("羌笛何须怨杨柳，春风不度玉门关。", "war", "sad"),
    ("黄沙百战穿金甲，不破楼兰终不还。", "war", "proud"),
    ("宁为百夫长，胜作一书生。", "war", "proud"),
    ("孰知不向边庭苦，纵死犹闻侠骨香。", "war", "proud"),
    ("男儿何不带吴钩，收取关山五十州。", "war", "proud"),
    ("感时花溅泪，恨别鸟惊心。", "nature", "sad"),
    ("月落乌啼霜满天，江枫渔火对愁眠。", "nature", "sad"),
    ("无边落木萧萧下，不尽长江滚滚来。", "nature", "sad"),
    ("流水落花春去也，天上人间。", "nature", "sad"),
    ("会当凌绝顶，一览众山小。", "nature", "proud"),
    ("天门中断楚江开，碧水东流至此回。", "nature", "proud"),
    ("飞流直下三千尺，疑是银河落九天。", "nature", "proud"),
    ("自古逢秋悲寂寥，我言秋日胜春朝。", "nature", "proud"),
]
SETTINGS = BiEncoderSettings(loss="cosine", learning_rate=2e-4, epochs=3, batch=16, max_tokens=32, frozen_layers=6)


def tuned(notion: int, folder: Path) -> str:
    """The starter encoder, trained to call two lines alike where their theme (1) or their sentiment (2) is one."""
    rows = [{"sentence1": a[0], "sentence2": b[0], "score": 0.9 if a[notion] == b[notion] else 0.1} for a, b in combinations(LINES, 2)]
    source = folder / f"{notion}.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    pipeline.train("bi-encoder", source, None, folder / f"model{notion}", SETTINGS)
    return str(folder / f"model{notion}")


def cosine(encoder: str) -> float:
    left, right = unit(bicross.load_encoder(encoder).encode_documents([SAD, PROUD]))
    return float(left @ right)


def main() -> None:
    print(f"{SAD}\n{PROUD}\n")
    print(f"before tuning        {cosine('bicross/starter-encoder'):.2f}")
    with TemporaryDirectory() as folder:
        for number, notion in enumerate(("theme", "sentiment"), 1):
            print(f"tuned by {notion:<11} {cosine(tuned(number, Path(folder))):.2f}")


if __name__ == "__main__":
    main()
