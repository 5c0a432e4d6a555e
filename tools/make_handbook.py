#!/usr/bin/env python3
"""Writes the DOCX and PDF chapters of the sample handbook into examples/knowledge. Needs Chromium for the PDF."""
import html
import pathlib
import subprocess
import tempfile
import zipfile

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "examples/knowledge"

# name -> (title, [(heading, [paragraphs])])
EXPENSES = {
    "handbook-expenses.docx": ("Aster Industries employee handbook: expenses", [
        ("What is refunded", ["Necessary expenses for the company are refunded when they were approved beforehand and are proven by an invoice made out to Aster Industries.",
                              "Not refunded are fines, minibar bills, and alcohol outside of approved entertainment."]),
        ("Deadlines", ["Claims are filed within 30 days after the expense. Later claims need the approval of the finance director.",
                       "Approved claims are paid with the next salary, at the latest within 20 working days."]),
        ("Limits", ["Single purchases of up to 2,000 yuan are approved by the line manager, up to 20,000 yuan by the department head, and above that by the finance director.",
                    "Business meals are refunded up to 200 yuan per person. The names of the guests and the purpose are stated."]),
        ("Company card", ["Managers may receive a company credit card with a monthly limit of 30,000 yuan. It must not be used for private purchases."]),
    ]),
    "handbook-expenses.zh.docx": ("星河实业员工手册：报销", [
        ("报销范围", ["为公司支出的必要费用，经事先批准并有抬头为星河实业的发票，可以报销。", "罚款、酒店小酒吧消费，以及未经批准的酒类消费不予报销。"]),
        ("期限", ["费用发生后 30 天内提交报销申请，逾期须经财务总监批准。", "批准的报销随下一次工资发放，最迟不超过 20 个工作日。"]),
        ("额度", ["单笔 2000 元以内由直属主管批准，20000 元以内由部门负责人批准，超过部分由财务总监批准。", "商务宴请每人报销上限为 200 元，须注明客人姓名和事由。"]),
        ("公司信用卡", ["管理人员可以申请公司信用卡，每月额度 30000 元，不得用于个人消费。"]),
    ]),
}
SECURITY = {
    "handbook-security.pdf": ("en", "Aster Industries employee handbook: security", [
        ("Access to the site", ["Everybody on the site wears a visible badge. Visitors are registered at the reception and accompanied at all times. A lost badge is reported to the security office, extension 6200, within two hours."]),
        ("Classification of documents", ["Documents are public, internal, confidential or strictly confidential. Confidential documents are stored encrypted and leave the company only with the consent of their owner. Strictly confidential documents must not be printed."]),
        ("Incidents", ["Every suspected security incident is reported within 30 minutes to security@aster.example or extension 6200. Whoever reports in good faith has no disadvantage. The security office answers within four hours and tells the data protection officer when personal data may be concerned."]),
        ("Using AI tools", ["Only AI systems operated by the company may be used with internal or confidential documents. Answers of an AI system are checked against the cited source before they are passed on."]),
    ]),
    "handbook-security.zh.pdf": ("zh", "星河实业员工手册：安全", [
        ("出入管理", ["园区内所有人员须佩戴可见的工牌。访客在前台登记，并全程有人陪同。工牌遗失须在两小时内报告安全办公室，分机 6200。"]),
        ("文件分级", ["文件分为公开、内部、机密和绝密四级。机密文件须加密保存，经所有者同意才能带出公司。绝密文件不得打印。"]),
        ("安全事件", ["任何可疑的安全事件须在 30 分钟内报告 security@aster.example 或分机 6200。善意报告者不会受到不利对待。安全办公室在四小时内答复，涉及个人信息时通知数据保护负责人。"]),
        ("使用人工智能工具", ["内部或机密文件只能使用公司运营的人工智能系统处理。人工智能系统的回答在转发之前，须与所引用的原文核对。"]),
    ]),
}

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def paragraph(text, style=""):
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{html.escape(text)}</w:t></w:r></w:p>'


def write_docx(path, title, sections):
    body = paragraph(title, "Title")
    for heading, paragraphs in sections:
        body += paragraph(heading, "Heading1") + "".join(paragraph(text) for text in paragraphs)
    style = lambda identity, name, size: (f'<w:style w:type="paragraph" w:styleId="{identity}"><w:name w:val="{name}"/>'
                                          f'<w:rPr><w:b/><w:sz w:val="{size}"/></w:rPr></w:style>')
    parts = {
        "[Content_Types].xml": '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>'
            '<Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/></Types>',
        "_rels/.rels": '<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": '<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<?xml version="1.0" encoding="UTF-8"?><w:styles {W}>{style("Title", "Title", 40)}{style("Heading1", "heading 1", 28)}</w:styles>',
        "word/document.xml": f'<?xml version="1.0" encoding="UTF-8"?><w:document {W}><w:body>{body}</w:body></w:document>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)


def write_pdf(path, language, title, sections):
    body = f"<h1>{html.escape(title)}</h1>"
    for heading, paragraphs in sections:
        body += f"<h2>{html.escape(heading)}</h2>" + "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
    page = (f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{html.escape(title)}</title>'
            "<style>body{font:12pt/1.6 'Noto Sans CJK SC',sans-serif;margin:2cm}</style>" + body)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={folder}/profile",
                        f"--print-to-pdf={path}", str(source)], check=True, capture_output=True)


def main():
    for name, (title, sections) in EXPENSES.items():
        write_docx(FOLDER / name, title, sections)
    for name, (language, title, sections) in SECURITY.items():
        write_pdf(FOLDER / name, language, title, sections)


if __name__ == "__main__":
    main()
