"""Style sheets: of the report's page in both themes and on paper, and of its tables in Jupyter."""

from pandas_numberactive._display.html import FAINT, INK, LINE
from pandas_numberactive.risk._engine.views import ORANGE

STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1b;--faint:#565656;--line:#c4c4c4;--bg:#fff;--soft:#f4f4f2;
--point:#a8471d;--frame:#2b5f8e}
@media(prefers-color-scheme:dark){:root{--ink:#ececec;--faint:#b4b4b4;--line:#4d4d4d;--bg:#161616;
--soft:#212121;--point:#f0905f;--frame:#79aede}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--bg);margin:0}
main{max-width:820px;margin:28px auto;padding:0 18px}
h1{font-size:25px;line-height:1.25;margin:0 0 6px;overflow-wrap:anywhere}
h2{font-size:18px;margin:30px 0 6px;padding-bottom:4px;border-bottom:1px solid var(--line)}
.number{color:var(--faint);font-weight:400;padding-right:4px}
p{margin:5px 0}.faint,caption,.axis{color:var(--faint)}
.decision{border:3px solid var(--frame);border-radius:10px;padding:12px 18px;margin:16px 0;
background:var(--soft)}
.decision h2{border:0;font-size:27px;margin:0 0 4px;padding:0;letter-spacing:.01em}
.decision.dont{border-color:var(--point)}
.decision.wait{border-style:dashed;border-color:var(--faint)}
.note{border-left:3px solid var(--point);padding-left:10px;margin-top:9px}
table{border-collapse:collapse;margin:10px 0 16px;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;padding-bottom:4px;font-size:14px}
th,td{padding:3px 8px 3px 0;text-align:right;font-weight:400;vertical-align:middle}
thead th{color:var(--faint);border-bottom:1px solid var(--line);vertical-align:bottom;
font-size:13px}
tbody tr:nth-child(even){background:var(--soft)}
th:first-child{text-align:left;overflow-wrap:anywhere;min-width:6em}
td.text{text-align:left;overflow-wrap:anywhere}
.forest td,.forest tbody th{padding-top:0;padding-bottom:0}
.draw{width:34%;min-width:120px}.forest .draw{padding-left:10px}
.figure{text-align:left;padding-left:12px}
.forest td,.forest tbody th{white-space:nowrap}.wide{overflow-x:auto}
.wide:focus-visible{outline:2px solid var(--frame)}
svg{display:block;width:100%;height:22px;overflow:visible}
.axis{display:flex;justify-content:space-between}
.ci{stroke:var(--point);stroke-width:2.5}.pt{fill:var(--point)}
.ref{stroke:var(--faint);stroke-width:1.2;stroke-dasharray:3 3}
summary{cursor:pointer;padding:3px 0}
pre{font-size:12px;white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);padding:10px;
border-radius:6px;margin:6px 0}
ul{padding-left:20px;margin:6px 0}li{margin:3px 0}
@media(max-width:760px){.forest{font-size:13px}.forest .draw{min-width:84px}}
@media(max-width:600px){body{font-size:14px}main{padding:0 10px}}
@page{margin:14mm}
@media print{:root{color-scheme:light;--ink:#000;--faint:#444;--line:#999;--bg:#fff;--soft:#f5f5f5;
--point:#333;--frame:#000}body{font-size:11px}main{max-width:none;margin:0;padding:0}
h2,h2+p{break-after:avoid}h2{margin-top:16px}tr,p,li,.wide,.decision,pre{break-inside:avoid}
caption,thead th,pre{font-size:10.5px}
*{print-color-adjust:exact}}
"""

IN_JUPYTER = "numberactive-risk"
_TABLE = f"div.{IN_JUPYTER} table"
# A notebook's own rules for tables are as specific as these and come before them.
JUPYTER_STYLE = f"""
div.{IN_JUPYTER}{{color:{INK};font-size:13px;line-height:1.5;max-width:960px}}
{_TABLE}{{border:none;border-collapse:collapse;margin:6px 0;width:100%;font-size:inherit;
color:inherit;font-variant-numeric:tabular-nums;table-layout:auto}}
{_TABLE} caption{{text-align:left;color:{FAINT};padding:0 0 4px;caption-side:top}}
{_TABLE} tr:nth-child(n){{background:none}}
{_TABLE} th:nth-child(n),{_TABLE} td:nth-child(n){{padding:1px 10px 1px 0;text-align:right;
vertical-align:middle;font-weight:400;background:none;white-space:nowrap;max-width:none}}
{_TABLE} thead th:nth-child(n){{color:{FAINT};vertical-align:bottom;white-space:normal;
border-bottom:1px solid {LINE}}}
{_TABLE} th:first-child{{text-align:left}}
{_TABLE} .draw:nth-child(n){{width:30%;min-width:110px;padding-left:8px}}
{_TABLE} .figure:nth-child(n){{text-align:left}}
div.{IN_JUPYTER} .wide{{overflow-x:auto}}
div.{IN_JUPYTER} svg{{display:block;width:100%;height:20px;overflow:visible}}
div.{IN_JUPYTER} .axis{{display:flex;justify-content:space-between}}
div.{IN_JUPYTER} .ci{{stroke:{ORANGE};stroke-width:2.5}}
div.{IN_JUPYTER} .pt{{fill:{ORANGE}}}
div.{IN_JUPYTER} .ref{{stroke:{FAINT};stroke-width:1.2;stroke-dasharray:3 3}}
"""
