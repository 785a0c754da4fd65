/** Styles of the registry's pages: light and dark, phone and print. */
import { raw } from 'hono/html'

export const style = raw(`
:root{color-scheme:light dark;--ink:#1c1e21;--dim:#5b6169;--line:#d5d9de;--paper:#fff;--panel:#f5f6f8;--now:#1f6feb;--then:#9aa4b1;--warn:#a15c00;--good:#1a7f37;--bad:#c4281c}
@media (prefers-color-scheme:dark){:root{--ink:#e7e9ec;--dim:#a2a9b3;--line:#363b42;--paper:#15171a;--panel:#1d2024;--now:#5b9dff;--then:#69727d;--warn:#e0a040;--good:#4ac26b;--bad:#ff7b72}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
header{display:flex;flex-wrap:wrap;gap:1rem;justify-content:space-between;padding:.5rem 1rem;border-bottom:1px solid var(--line)}
header p{margin:0}
main{max-width:72rem;margin:0 auto;padding:1rem;overflow-wrap:break-word}
a{color:var(--now)}
h1{font-size:1.5rem;margin:.5rem 0}
h2{font-size:1.2rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.5rem 0 1rem}
caption{text-align:left;color:var(--dim);padding:.25rem 0}
th,td{text-align:left;padding:.35rem 1rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
thead th,td.number,time{white-space:nowrap}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
code{font:.85em ui-monospace,monospace;overflow-wrap:anywhere}
table code{overflow-wrap:normal}
td.text{min-width:12rem}
.dim{color:var(--dim)}
.split{display:block;width:100%;height:1.5rem;border-radius:.25rem;background:var(--panel)}
.features{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem;margin:.5rem 0 1rem;padding:0}
figure{margin:0;padding:.6rem;background:var(--panel);border-radius:.35rem;break-inside:avoid}
figcaption{font-size:.85rem}
figure svg{display:block;width:100%;height:6rem}
.now{fill:var(--now)}
.then{fill:none;stroke:var(--ink);stroke-width:1;vector-effect:non-scaling-stroke}
.axis{stroke:var(--line);vector-effect:non-scaling-stroke}
.share0{fill:#1f6feb}.share1{fill:#2da44e}.share2{fill:#bf8700}.share3{fill:#8250df}.share4{fill:#cf222e}.share5{fill:#57606a}
.key{display:inline-block;width:.8em;height:.8em;border-radius:.15em;vertical-align:baseline}
.scroll{overflow-x:auto}
.pages{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;font-size:.9rem}
.pages a[aria-current]{color:inherit;text-decoration:none;font-weight:600}
.badge{display:inline-block;padding:0 .5em;border:1px solid;border-radius:1em;font-size:.8rem;font-weight:600;white-space:nowrap}
.badge.drift{color:var(--bad)}.badge.no_drift{color:var(--good)}.badge.insufficient{color:var(--dim)}
.facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:.5rem 0 1rem}
.facts dt{color:var(--dim);font-size:.85rem}
.facts dd{margin:0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:1rem;margin:.5rem 0 1rem}
.card{padding:.75rem 1rem;border:1px solid var(--line);border-radius:.5rem;break-inside:avoid;min-width:0}
.card h3{margin:0 0 .25rem;display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;justify-content:space-between}
.card h4{font-size:.85rem;margin:.75rem 0 .25rem}
.card>p{margin:.25rem 0;font-size:.85rem}
.card figure{padding:0;background:none;border:0;margin:.5rem 0}
.card summary{font-size:.85rem;cursor:pointer}
.brackets{margin:0}
.brackets th,.brackets td{padding:.15rem .5rem .15rem 0;border:0;vertical-align:middle;font-weight:400}
.brackets th{width:4.5rem}
.brackets td.number{width:11rem;text-align:left;font-size:.8rem;white-space:nowrap}
.bracket{display:block;width:100%;min-width:7rem;max-width:15rem;height:1.1rem}
.bracket .within{fill:var(--panel)}
.bracket .zero,.evidence .zero{stroke:var(--line);fill:none;vector-effect:non-scaling-stroke}
.bracket .limit{stroke:var(--dim);fill:none;stroke-dasharray:2 2}
.bracket .span{opacity:.55}
.bracket.inside .span,.bracket.inside .mean{fill:var(--good)}
.bracket.open .span,.bracket.open .mean{fill:var(--now)}
.bracket.past .span,.bracket.past .mean{fill:var(--bad)}
.evidence{display:block;width:100%;height:5rem;background:var(--panel);border-radius:.25rem}
.evidence .told,.evidence .need{fill:none;stroke:var(--now);stroke-width:2;vector-effect:non-scaling-stroke}
.evidence .need{stroke:var(--ink);stroke-width:1;stroke-dasharray:5 4}
.evidence .dot{stroke:var(--now);stroke-width:7;stroke-linecap:round;vector-effect:non-scaling-stroke}
.ends{display:flex;flex-wrap:wrap;justify-content:space-between;color:var(--dim);font-size:.75rem;margin:.1rem 0}
.ends span{white-space:nowrap}
.ticks{position:relative;height:1.2em;margin:0;color:var(--dim);font-size:.75rem}
.ticks span{position:absolute;transform:translateX(-50%)}
.ticks span:first-child{transform:none}
.card .plot{margin-left:4.5rem}
.card div.plot{position:relative;margin-top:.75rem}
.plot .scale{position:absolute;left:-4.5rem;width:4.2rem;top:0;bottom:0;margin:0;color:var(--dim);font-size:.75rem;text-align:right;white-space:nowrap}
.plot .scale span{position:absolute;right:0;transform:translateY(-50%)}
figure .plot svg{height:10rem;background:var(--panel);border-radius:.25rem;overflow:visible}
.plot .band{fill:var(--now);opacity:.22}.plot .band.only{stroke:var(--now);stroke-width:4;vector-effect:non-scaling-stroke}
.plot .zero,.plot .told,.plot .need{fill:none;stroke:var(--dim);vector-effect:non-scaling-stroke}
.plot .told{stroke:var(--now);stroke-width:2}
.plot .need{stroke:var(--ink);stroke-dasharray:5 4}
.plot .dot{stroke:var(--now);stroke-width:4;stroke-linecap:round;vector-effect:non-scaling-stroke}
.badge.shown{color:var(--now)}
.warning{padding:.5rem 1rem;border:1px solid var(--bad);border-radius:.35rem}
th small{display:block;font-weight:400}
td.number small{white-space:normal}
td span.number{white-space:nowrap}
td small{display:block;color:var(--dim)}
.scroll .bracket{min-width:9rem}
@media (max-width:30rem){.brackets tr{display:grid;grid-template-columns:4.5rem 1fr}.brackets td.number{grid-column:2;padding-top:0}}
@media print{:root{color-scheme:light;--ink:#000;--dim:#444;--line:#bbb;--paper:#fff;--panel:#f0f0f0;--now:#1f6feb;--then:#777;--good:#1a7f37;--bad:#c4281c}*{print-color-adjust:exact}.scroll{overflow:visible}.scroll th,.scroll td{padding-right:.5rem}.scroll thead th,.scroll td.number,.scroll time{white-space:normal}details::details-content{content-visibility:visible;block-size:auto}header nav,.pages{display:none}a{color:inherit;text-decoration:none}figure{border:1px solid var(--line)}.card figure{border:0}}
`)
