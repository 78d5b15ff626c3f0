"""Law and medicine: the layman's words are not the expert's.

A small collection of both, in the language of the trade; the questions are asked as people ask them. Words alone find little, meaning finds
much. What the starter models, which are no experts, still miss is what `bicross tune` is for. (Texts of our own; they are no advice.)
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import bicross
from bicross import pipeline
from bicross.settings import SearchSettings, StageName

LAW = {
    "limitation": "请求保护民事权利的诉讼时效期间为三年，自权利人知道权利受到损害之日起计算。",
    "deposit": "给付定金的一方不履行债务的，无权请求返还定金；收受定金的一方不履行的，应当双倍返还。",
    "tenancy": "承租人经出租人同意，可以将租赁物转租给第三人；未经同意转租的，出租人可以解除合同。",
    "defect": "因产品存在缺陷造成他人损害的，被侵权人可以向生产者或者销售者请求赔偿。",
    "probation": "劳动合同期限不满一年的，试用期不得超过一个月。",
    "inheritance": "遗产的第一顺序继承人为配偶、子女、父母。",
    "cooling-off": "网络购物的消费者有权自收到商品之日起七日内退货，且无需说明理由。",
}
MEDICINE = {
    "hypertension": "Persistently elevated arterial pressure calls for less sodium and, where that fails, an ACE inhibitor.",
    "myocardial": "Myocardial infarction presents with retrosternal pain radiating to the left arm.",
    "rhinitis": "Seasonal allergic rhinitis is treated with antihistamines or intranasal corticosteroids.",
    "insomnia": "For chronic insomnia, cognitive behavioural therapy comes before hypnotics.",
    "epistaxis": "Epistaxis is managed by leaning forward and compressing the alae of the nose for ten minutes.",
    "pyrexia": "Pyrexia in an infant under three months warrants immediate assessment.",
    "alopecia": "Androgenetic alopecia responds to topical minoxidil.",
}
ASKED = {
    "房客能不能把房子再租给别人？": "tenancy",
    "网上买的东西不喜欢，可以退吗？": "cooling-off",
    "爸爸去世了，财产归谁？": "inheritance",
    "欠我钱，过多久就不能打官司了？": "limitation",
    "I cannot sleep at night, what helps?": "insomnia",
    "What should I do about a nosebleed?": "epistaxis",
    "My blood pressure is too high": "hypertension",
    "Every spring I sneeze from pollen": "rhinitis",
}


def main() -> None:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "texts.jsonl"
        rows = [json.dumps({"id": name, "text": text}) for name, text in (LAW | MEDICINE).items()]
        source.write_text("\n".join(rows), "utf-8")
        pipeline.index([source], Path(folder) / "collection")
        stages: tuple[StageName, ...] = ("lexical", "dense", "both")
        with bicross.open(Path(folder) / "collection") as opened:
            found = {stage: opened.search(list(ASKED), SearchSettings(k=1, stage=stage, depth=5)).queries for stage in stages}
    firsts = {stage: [one.hits[0].doc_id if one.hits else "nothing" for one in answers] for stage, answers in found.items()}
    for place, (question, right) in enumerate(ASKED.items()):
        print(f"{question}\n  {right}   " + "   ".join(f"{stage}: {first[place]}" for stage, first in firsts.items()))
    right_first = {stage: sum(map(str.__eq__, first, ASKED.values())) for stage, first in firsts.items()}
    print("right first: " + ", ".join(f"{stage} {count}" for stage, count in right_first.items()) + f" of {len(ASKED)}")


if __name__ == "__main__":
    main()
