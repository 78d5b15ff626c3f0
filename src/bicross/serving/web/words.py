"""Every word that the pages say, in English and in Chinese, and which of the two a browser is answered in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from bicross.data.languages import language_of

Tongue = Literal["en", "zh"]
COOKIE = "bicross_language"
WORDS: Mapping[str, tuple[str, str]] = {
    # the frame of every page
    "ask": ("Ask", "提问"),
    "collection": ("Collection", "文档库"),
    "sign_in": ("Sign in", "登录"),
    "sign_out": ("Sign out", "退出"),
    "skip": ("Skip to the answer", "跳到结果"),
    "pages": ("Pages", "页面"),
    "other_language": ("中文", "English"),
    "keys": ("Keys", "快捷键"),
    # asking
    "question": ("Your question", "您的问题"),
    "question_hint": ("Ask in your own words, in English or Chinese", "用您自己的话提问，中英文均可"),
    "go": ("Ask", "提问"),
    "setting": ("How to search", "检索方式"),
    "setting_a": ("Setting A", "设置 A"),
    "setting_b": ("Setting B", "设置 B"),
    "of_collection": ("Collection {letter}", "文档库 {letter}"),
    "compare": ("Compare two settings", "比较两种设置"),
    "way_auto": ("Two stages, usual depth", "两阶段，默认深度"),
    "way_both": ("Two stages, {depth} read again", "两阶段，精排 {depth} 篇"),
    "way_fused": ("Recall only, both fused", "仅召回（融合）"),
    "way_dense": ("Dense recall only", "仅向量召回"),
    "way_lexical": ("Lexical recall only", "仅词法召回"),
    "welcome": (
        "Ask a question to see how two stages find the answer: what words and meaning recall, and how the reranker moves it.",
        "提一个问题，看两个阶段如何找到答案：词法与向量先召回，重排模型再逐篇细读、调整次序。",
    ),
    # the answer
    "answer": ("Answer", "结果"),
    "nothing": ("Nothing was found.", "没有找到结果。"),
    "found": ("{count} hits, {read} candidates read again by the reranker.", "{count} 条结果，重排模型细读了 {read} 个候选。"),
    "found_recall": ("{count} hits, not reranked.", "{count} 条结果，未重排。"),
    "cut": ("The question was longer than a model reads; its end was left out.", "问题超过模型可读的长度，末尾已被截去。"),
    "degraded": ("Fewer candidates were read again than asked for, to answer in time.", "为按时作答，细读的候选少于设定。"),
    "how_ranked": ("How the order came about", "次序由来"),
    "slope_text": (
        "Ranks of {count} hits in each stage, from left to right: {columns}. The table below it says the same.",
        "{count} 条结果在各阶段的名次，从左到右：{columns}。下方表格内容相同。",
    ),
    "slope_hit": ("Hit {number}: {places}.", "结果 {number}：{places}。"),
    "as_table": ("The same as a table", "以表格查看"),
    "hit": ("Hit", "结果"),
    "legend_up": ("moved up", "上移"),
    "legend_down": ("moved down", "下移"),
    "legend_same": ("stayed", "不变"),
    "beyond": ("beyond the first {count}", "前 {count} 名以外"),
    "no_slope": ("One stage alone ranked these, so there is no movement to see.", "仅由一个阶段排序，没有名次变化。"),
    "stage_lexical": ("lexical", "词法"),
    "stage_dense": ("dense", "向量"),
    "stage_fused": ("fused", "融合"),
    "stage_final": ("reranked", "重排"),
    "stage_rerank": ("cross-encoder alone", "仅交叉编码器"),
    "stage_late": ("late interaction alone", "仅迟交互"),
    "absent": ("not found", "未找到"),
    "up": ("up {places}", "上移 {places}"),
    "down": ("down {places}", "下移 {places}"),
    "same": ("stayed", "不变"),
    "rose": ("The reranker moved it from {before} up to {now}", "重排后由第 {before} 名升至第 {now} 名"),
    "fell": ("The reranker moved it from {before} down to {now}", "重排后由第 {before} 名降至第 {now} 名"),
    "stayed": ("The reranker left it at {now}", "重排后仍为第 {now} 名"),
    "probability": ("relevant with probability {percent} %", "相关概率 {percent}%"),
    "uncalibrated": ("not calibrated", "未校准"),
    "uncalibrated_why": (
        "Scores become probabilities once the collection is calibrated: bicross calibrate.",
        "校准文档库后，分数才能换算为概率：bicross calibrate。",
    ),
    "time": ("Time", "用时"),
    "time_text": ("Time by stage: {stages}; together {total} ms.", "各阶段用时：{stages}；合计 {total} 毫秒。"),
    "seconds_queue": ("waiting", "排队"),
    "seconds_encode": ("encode", "编码"),
    "seconds_recall": ("recall", "召回"),
    "seconds_rerank": ("rerank", "重排"),
    "seconds_other": ("other", "其他"),
    "ms": ("ms", "毫秒"),
    "together": ("together", "合计"),
    # a hit, opened
    "explain": ("Why it stands here", "为何排在这里"),
    "explaining": ("Looking for the words that mattered…", "正在寻找起作用的词句…"),
    "stage": ("Stage", "阶段"),
    "rank": ("Rank", "名次"),
    "score": ("Score", "分数"),
    "final_score": ("Final score", "最终得分"),
    "added": ("Adds", "贡献"),
    "final_note": (
        "What the stages add, by weights fitted on questions with known answers, sums to the final score.",
        "各阶段的贡献按在有答案的问题上拟合的权重计算，相加即最终得分。",
    ),
    "marked": (
        "Marked: without these words the cross-encoder's score falls; the thicker the line, the further.",
        "标记处：去掉这些词句，交叉编码器的分数会下降；线越粗，降得越多。",
    ),
    "none_marked": ("No part of the passage alone mattered to the cross-encoder.", "没有哪一处单独影响交叉编码器的分数。"),
    "page": ("page {number}", "第 {number} 页"),
    "gone": ("The document is not in the collection any more.", "该文档已不在文档库中。"),
    # judging
    "judge": ("Judge", "评判"),
    "judge_hit": ("Judge hit {number}", "评判结果 {number}"),
    "grade_0": ("does not answer", "无关"),
    "grade_1": ("touches it", "沾边"),
    "grade_2": ("answers in part", "部分回答"),
    "grade_3": ("answers", "完整回答"),
    "take_back": ("Take back", "撤销"),
    "saved": ("Saved: {grade}, {meaning}", "已保存：{grade}，{meaning}"),
    "taken_back": ("Taken back", "已撤销"),
    # comparing
    "compared": ("{both} of {count} hits are in both.", "{count} 条结果中有 {both} 条两边都有。"),
    "same_order": ("Both give the same order.", "两边次序相同。"),
    "only_here": ("only here", "仅此一边"),
    "other_side": ("{rank} in {letter}", "{letter} 中第 {rank}"),
    "compare_text": (
        "Ranks of {count} hits with setting A, left, and setting B, right.",
        "{count} 条结果在设置 A（左）与设置 B（右）中的名次。",
    ),
    # keys
    "key_question": ("to the question", "到提问框"),
    "key_move": ("next, previous hit", "下一条、上一条"),
    "key_explain": ("open or close the explanation", "展开或收起说明"),
    "key_judge": ("judge the hit", "评判该结果"),
    "key_undo": ("take the last judgement back", "撤销上一次评判"),
    "key_compare": ("compare two settings", "比较两种设置"),
    "key_help": ("show these keys", "显示快捷键"),
    # the collection
    "holds": ("What it holds", "内容"),
    "documents": ("Documents", "文档"),
    "passages": ("Passages", "段落"),
    "size": ("On disk", "占用磁盘"),
    "generation": ("Generation", "索引代"),
    "no_generation": ("none yet; all passages are scanned", "尚无；逐段扫描"),
    "tail": ("Passages not yet in an index", "尚未进入索引的段落"),
    "refused": ("Not used", "未使用"),
    "models": ("Models", "模型"),
    "encoder": ("Bi-encoder", "双编码器"),
    "reranker": ("Cross-encoder", "交叉编码器"),
    "dimensions": ("Dimensions", "维数"),
    "max_tokens": ("Longest input, tokens", "最长输入（词元）"),
    "space": ("Space", "向量空间"),
    "own_models": ("Models of its own", "自有模型"),
    "use_active": ("in use", "使用中"),
    "use_previous": ("kept for rollback", "留作回退"),
    "use_unused": ("not in use", "未使用"),
    "weights": ("How the stages are joined", "各阶段如何合成"),
    "usual_depth": ("Candidates read again", "细读的候选数"),
    "fusion": ("Weights of recall", "召回权重"),
    "combination": ("Weights of the final score", "最终得分权重"),
    "weight_rank": ("fused rank", "融合名次"),
    "weight_rerank": ("cross-encoder", "交叉编码器"),
    "weight_late": ("late interaction", "迟交互"),
    "calibrated": ("Gives probabilities for", "可给出概率的检索"),
    "kind_both": ("two stages", "两阶段"),
    "kind_fused": ("fused recall", "融合召回"),
    "kind_dense": ("dense recall", "向量召回"),
    "kind_lexical": ("lexical recall", "词法召回"),
    "at_most": ("at most {count}, as many as it takes", "最多 {count} 个，按需而定"),
    "usual_stage": ("Searched by", "默认检索"),
    "reads_first": ("Reads candidates before", "先行阅读候选"),
    "planned": ("What a latency budget buys", "延迟预算能换来什么"),
    "no_plan": (
        "Not planned yet. Which depth and which stages a latency budget buys here: bicross plan … --p95 50ms.",
        "尚未规划。看延迟预算能换来多深的重排：bicross plan … --p95 50ms。",
    ),
    "plan_of": (
        "Quality ({measure}) over {questions} questions against the 95th percentile of latency, each asked alone; budget {budget} ms.",
        "{questions} 个问题的质量（{measure}）与 95 分位延迟，逐个提问；预算 {budget} 毫秒。",
    ),
    "plan_chosen": ("Chosen: {way}, {quality}, {ms} ms.", "选定：{way}，{quality}，{ms} 毫秒。"),
    "plan_half": ("Half of the budget buys {way}, {difference}.", "一半预算可得 {way}，{difference}。"),
    "plan_twice": ("Twice the budget buys {way}, {difference}.", "两倍预算可得 {way}，{difference}。"),
    "way": ("Way to search", "检索方式"),
    "quality": ("Quality", "质量"),
    "read_mean": ("Read, mean", "平均细读数"),
    "on_frontier": ("better than all that are faster", "优于所有更快的方式"),
    "job": ("Unfinished work", "未完成的工作"),
    "job_running": ("under way", "进行中"),
    "job_interrupted": ("interrupted; the same command goes on with it", "已中断；同一命令可继续"),
    "reports": ("Reports", "评测报告"),
    "no_reports": (
        "None yet. A report that is written into the collection's folder is listed here: bicross evaluate … --report.",
        "暂无。写入文档库文件夹的报告会列在这里：bicross evaluate … --report。",
    ),
    "tuning": ("Tuning", "调优"),
    "no_tuning": (
        "Not tuned yet. Bicross learns from questions with known answers: bicross tune.",
        "尚未调优。Bicross 可从有答案的问题中学习：bicross tune。",
    ),
    "run": ("Run", "运行"),
    "run_running": ("running", "运行中"),
    "run_interrupted": ("interrupted; the same command goes on with it", "已中断；同一命令可继续"),
    "run_promoted": ("promoted", "已采用"),
    "run_kept": ("not promoted; what was there is kept", "未采用；保留原有模型"),
    "step": ("Step", "步骤"),
    "step_done": ("done", "完成"),
    "step_doing": ("under way", "进行中"),
    "seconds": ("Seconds", "秒"),
    "steps_done": ("{done} steps done", "已完成 {done} 步"),
    "spent": ("{spent} spent of about {estimated}", "已用 {spent}，预计共 {estimated}"),
    "spent_only": ("{spent} spent", "已用 {spent}"),
    "last_sign": ("last sign of life {ago} ago", "上次活动：{ago}前"),
    "measured_on": ("{measure} on {questions} questions that no model saw", "{questions} 个模型未见过的问题上的 {measure}"),
    "before": ("before", "之前"),
    "after": ("after", "之后"),
    "difference": ("difference", "差异"),
    "interval": ("interval", "区间"),
    # signing in, and what goes wrong
    "key": ("API key", "API 密钥"),
    "key_hint": (
        "As bicross keys gave it. The browser does not keep it, but a token in its place, which holds for 12 hours.",
        "由 bicross keys 生成。浏览器不保存密钥，只保存一个有效期 12 小时的令牌。",
    ),
    "key_wrong": ("This key is not known. Look whether it was copied whole.", "密钥无效，请检查是否完整复制。"),
    "went_wrong": ("That did not work", "未能完成"),
    "back": ("Back to the question", "返回提问"),
    "not_ready": ("The models are loading. The page tries again by itself.", "模型正在加载，页面会自动重试。"),
    "too_long": ("The question has {length} characters; at most {most} are read.", "问题有 {length} 个字符，最多 {most} 个。"),
}


class Words:
    """The words of one language: `words("found", count=3, read=10)`. A name that is not there raises KeyError."""

    def __init__(self, tongue: Tongue) -> None:
        self.tongue: Tongue = tongue

    def __call__(self, name: str, **values: object) -> str:
        return WORDS[name][self.tongue == "zh"].format(**values)

    @property
    def code(self) -> str:
        """As the `lang` attribute has it."""
        return "zh-Hans" if self.tongue == "zh" else "en"

    @property
    def other(self) -> Tongue:
        """The other language."""
        return "en" if self.tongue == "zh" else "zh"


def chosen(asked: str | None, cookie: str | None, header: str) -> Tongue:
    """The language that was asked for, or chosen before, or that Accept-Language puts first; English where it says neither."""
    for named in (asked, cookie):
        if named in ("en", "zh"):
            return "zh" if named == "zh" else "en"
    wishes = {"en": 0.0, "zh": 0.0}
    for part in header.split(",")[:40]:
        name, _, weight = part.strip().lower().partition(";q=")
        tongue = name.split("-")[0]
        if tongue in wishes:
            wishes[tongue] = max(wishes[tongue], _weight(weight))
    return "zh" if wishes["zh"] > wishes["en"] else "en"


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def lang(text: str) -> str:
    """The `lang` attribute of a text, by its script."""
    return language_of(text)
