"""Files as real programs write them: PDF by ReportLab, Word by python-docx, mail by the standard library."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage
from pathlib import Path

import docx
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

CLEANING = "打印机在正常使用时每三个月需要清洁一次。清洁之前请先关闭电源并拔下插头，然后用柔软的干布擦拭外壳，不要使用酒精或其他溶剂。"
RESET = "重置打印机时，按住红色按钮十秒钟，直到指示灯闪烁三次，然后松开按钮并等待机器重新启动，整个过程大约需要一分钟。"
WARRANTY = "保修期为两年，自购买之日起计算，因使用不当造成的损坏不在保修范围之内。"


def chinese_pdf(path: Path) -> Path:
    """Three pages with a running head, page numbers, a larger heading each, and paragraphs of several lines."""
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    body = ParagraphStyle("body", fontName="STSong-Light", fontSize=11, leading=15, wordWrap="CJK")
    head = ParagraphStyle("head", parent=body, fontSize=16, leading=22, spaceAfter=8)

    def decorate(canvas: Canvas, _: object) -> None:
        canvas.setFont("STSong-Light", 9)
        canvas.drawString(70, 800, "内部资料，请勿外传")
        canvas.drawString(280, 30, f"第 {canvas.getPageNumber()} 页")

    parts = []
    for title, text in (("第一章 清洁", CLEANING), ("第二章 重置", RESET), ("第三章 保修", WARRANTY)):
        parts += [Paragraph(title, head), Paragraph(text, body), PageBreak()]
    SimpleDocTemplate(str(path), title="打印机使用手册").build(parts, onFirstPage=decorate, onLaterPages=decorate)
    return path


def english_pdf(path: Path) -> Path:
    """Two pages with bookmarks, a hyphenated line, and a sentence that goes on over the page's end."""
    canvas = Canvas(str(path))
    canvas.bookmarkPage("one")
    canvas.addOutlineEntry("Charging", "one", 0)
    canvas.drawString(70, 700, "Charging")
    for number, line in enumerate(
        ("Before the first use the accumu-", "lator has to be charged for four hours;", "it must not be left in the sun")
    ):
        canvas.drawString(70, 660 - 15 * number, line)
    canvas.showPage()
    canvas.bookmarkPage("two")
    canvas.addOutlineEntry("Care", "two", 1)
    canvas.drawString(70, 700, "while it is being charged.")
    canvas.save()
    return path


def encrypted_pdf(path: Path) -> Path:
    """One that asks for a password."""
    canvas = Canvas(str(path), encrypt=StandardEncryption("user", "owner"))
    canvas.drawString(70, 700, "secret")
    canvas.save()
    return path


def scanned_pdf(path: Path, written: bool = False) -> Path:
    """A page that is a picture; with another one that is `written`."""
    canvas = Canvas(str(path))
    if written:
        canvas.drawString(70, 700, "The first page is text.")
        canvas.showPage()
    picture = path.with_suffix(".png")
    Image.effect_noise((200, 200), 50).save(picture)
    canvas.drawImage(str(picture), 70, 400)
    canvas.save()
    picture.unlink()
    return path


def word(path: Path) -> Path:
    """Headings of two levels, a list, a table."""
    file = docx.Document()
    file.core_properties.title = "Printer manual"
    file.add_heading("Cleaning", 1)
    file.add_paragraph("Switch the printer off before cleaning; wipe the case with a dry cloth.")
    file.add_heading("Reset", 1)
    file.add_heading("Factory reset", 2)
    file.add_paragraph("Press and hold the red button for ten seconds until the lamp blinks three times.")
    file.add_paragraph("Then release it", style="List Bullet")
    table = file.add_table(rows=2, cols=2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), ("Lamp", "Meaning", "red", "no paper"), strict=True):
        cell.text = text
    file.save(str(path))
    return path


def message(subject: str = "关于打印机的保修", text: str = WARRANTY) -> EmailMessage:
    """A mail with an attached file."""
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "李雷 <li@example.com>", "han@example.com"
    mail["Date"], mail["Message-ID"] = "Mon, 02 Nov 2026 10:00:00 +0800", f"<{len(text)}@example.com>"
    mail.set_content(text)
    mail.add_alternative("<p>the same as HTML</p>", subtype="html")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="发票.pdf")
    return mail


def mailbox_of(path: Path, *messages: EmailMessage) -> Path:
    """A mailbox with these."""
    box = mailbox.mbox(path)
    for one in messages:
        box.add(one)
    box.close()
    return path
