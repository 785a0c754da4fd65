/** Styles of the registry's pages: light and dark, phone and print. */
import { raw } from 'hono/html'

export const style = raw(`
:root{color-scheme:light dark;--ink:#1c1e21;--dim:#5b6169;--line:#d5d9de;--paper:#fff;--panel:#f5f6f8;--now:#1f6feb;--then:#9aa4b1;--warn:#a15c00}
@media (prefers-color-scheme:dark){:root{--ink:#e7e9ec;--dim:#a2a9b3;--line:#363b42;--paper:#15171a;--panel:#1d2024;--now:#5b9dff;--then:#69727d;--warn:#e0a040}}
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
@media print{header nav{display:none}a{color:inherit;text-decoration:none}figure{border:1px solid var(--line)}}
`)
