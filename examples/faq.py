"""A FAQ that answers in other words than it was written in, or says that it does not know.

The bi-encoder finds the nearest known questions, the cross-encoder reads them beside the new one, and a probability decides whether the
answer is given. On the command line: `bicross faq questions.jsonl "What does AI mean?"`.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from bicross import pipeline

AI = "Artificial intelligence is the branch of computing that has machines do what takes intelligence when people do it."
LEARNING = "Machine learning lets a program find its rules in examples, where otherwise somebody would have to write them."
TRANSFORMER = "A transformer is a neural network in which every word of a text looks at every other, by attention."
PASSWORD = "Choose 'Forgot password' on the sign-in page; a link comes by e-mail."
HOURS = "The help desk answers from Monday to Friday, 9 to 17 o'clock."
KNOWN = {
    AI: ["What is artificial intelligence?", "Define AI.", "什么是人工智能？"],
    LEARNING: ["What is machine learning?", "How do computers learn from data?", "什么是机器学习？"],
    TRANSFORMER: ["What is a transformer model?", "How does attention work in neural networks?"],
    PASSWORD: ["How do I reset my password?", "I cannot sign in any more.", "忘记密码怎么办？"],
    HOURS: ["When is the help desk open?", "What are your working hours?", "客服几点上班？"],
}
ASKED = ["What does AI mean?", "人工智能的定义是什么？", "I forgot my password", "Which wine goes with fish?"]


def main() -> None:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "faq.jsonl"
        rows = [{"question": question, "answer": answer} for answer, questions in KNOWN.items() for question in questions]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        for choice in pipeline.faq(source, ASKED).choices:
            print(f"{choice.text}\n  {choice.label if choice.answered else 'I do not know.'}")
            print(f"  nearest: {choice.nearest}   cosine {choice.cosine:.2f}, probability {choice.probability:.2f}\n")


if __name__ == "__main__":
    main()
