/** How reports look: the quick start's, those of runs and comparisons; light and dark, wide and narrow, on paper too. */

export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f7f8fa; --card: #fff; --text: #1c2430; --soft: #5d6878; --line: #dfe3ea; --accent: #2563eb; --good: #15803d; --bad: #b91c1c;
  --series0: #2563eb; --series1: #c2410c; --series2: #15803d; --series3: #7e22ce; --series4: #0e7490; --series5: #a16207;
}
@media (prefers-color-scheme: dark) { :root {
  --page: #12161d; --card: #1b212b; --text: #e6eaf1; --soft: #97a3b6; --line: #2e3744; --accent: #6ea8ff; --good: #4ade80; --bad: #f87171;
  --series0: #6ea8ff; --series1: #ff9e64; --series2: #4ade80; --series3: #c99bff; --series4: #4fd1e5; --series5: #e6c35c;
} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 56px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 34px 0 10px; }
h3 { font-size: 15px; margin: 0; overflow-wrap: anywhere; }
main > h3 { margin: 20px 0 8px; }
p { margin: 6px 0; max-width: 78ch; }
a { color: var(--accent); }
.soft, .facts dt, th, caption { color: var(--soft); }
.card, .facts { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 10px 24px; padding: 14px 18px; margin: 18px 0 0; }
.facts dt { font-size: 12.5px; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; padding: 4px 8px; }
.scroll + .scroll, details.card { margin-top: 12px; }
details.card { padding: 8px 14px; }
details .scroll { padding: 4px 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 6px 10px 2px; font-size: 13.5px; }
th, td { text-align: left; padding: 7px 10px; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
.pairs td { overflow-wrap: anywhere; }
tr:last-child td, tr:last-child th[scope=row] { border-bottom: 0; }
th { font-weight: 500; font-size: 13px; }
th[scope=row] { color: var(--text); font-size: 14px; font-weight: 400; }
.number { text-align: right; white-space: nowrap; }
.beside td { overflow-wrap: anywhere; }
.beside .number { white-space: normal; min-width: 110px; }
.better { color: var(--good); font-weight: 600; }
.worse { color: var(--bad); font-weight: 600; }
.bar { width: 96px; height: 8px; vertical-align: middle; }
.bar rect { fill: var(--accent); opacity: .75; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 12px; }
figcaption { font-size: 13.5px; }
.curve { display: block; width: 100%; }
.card > .curve { padding: 12px; }
.curve text { fill: var(--soft); font-size: 12px; }
.curve .title { fill: var(--text); font-size: 14px; }
.grid { stroke: var(--line); }
.series0 { --own: var(--series0); } .series1 { --own: var(--series1); } .series2 { --own: var(--series2); }
.series3 { --own: var(--series3); } .series4 { --own: var(--series4); } .series5 { --own: var(--series5); }
.raw, .smooth { fill: none; stroke: var(--own, var(--accent)); }
.raw { opacity: .3; }
.smooth { stroke-width: 2.2; }
.mark { fill: var(--own, var(--accent)); }
.dot { fill: var(--accent); opacity: .6; }
.off { fill: var(--bad); }
.even, .zero { stroke: var(--soft); fill: none; }
.bias { stroke: var(--series1); stroke-width: 2; }
.limit { stroke: var(--series1); stroke-width: 1.5; stroke-dasharray: 6 4; }
.key { display: flex; gap: 4px 20px; flex-wrap: wrap; font-size: 14px; margin: 0 0 12px; max-width: none; }
figure .key { margin: 4px 0 0; font-size: 13px; }
.key i { display: inline-block; width: 22px; margin-right: 7px; vertical-align: middle; border-top: 3px solid; }
.key i[class^=series] { color: var(--own); }
.key .dash1 { border-top-style: dashed; } .key .dash2 { border-top-style: dotted; }
.of-truth { color: #35d07f; }
.key .of-before { color: #ff7b6b; border-top-style: dashed; }
.of-after { color: #58a6ff; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 310px), 1fr)); gap: 16px; }
.pictures .card { overflow: hidden; display: flex; flex-direction: column; }
.frame { background: #05070a; height: 250px; display: flex; justify-content: center; }
.slice { height: 100%; max-width: 100%; }
.slice image { image-rendering: pixelated; }
.slice rect, .slice line, .slice polyline { fill: none; stroke-width: 2.2; vector-effect: non-scaling-stroke; }
.truth { stroke: #35d07f; }
.before { stroke: #ff7b6b; stroke-dasharray: 6 4; }
.after { stroke: #58a6ff; }
.point { fill: #35d07f; }
.said { padding: 12px 14px; font-size: 14px; }
.said h3 { margin: 0 0 6px; }
.said table { font-size: 13.5px; }
.said td, .said th { padding: 3px 6px 3px 0; border: 0; vertical-align: top; }
.said th[scope=row] { color: var(--soft); white-space: nowrap; min-width: 0; font-size: 13.5px; }
.said code { font-size: 12px; }
.said td.number { padding-right: 0; }
code { font: 12.5px/1.45 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
details { margin-top: 8px; }
.meanings { margin: 6px 0; max-width: 78ch; } .meanings dt { font-weight: 500; } .meanings dd { margin: 0 0 6px; color: var(--soft); }
summary { cursor: pointer; color: var(--soft); font-size: 13px; }
.said details code { display: block; white-space: pre-wrap; margin-top: 6px; }
@media print { .card, .facts, figure { break-inside: avoid; } }
@media (max-width: 480px) {
  main { padding: 20px 12px 40px; } h1 { font-size: 22px; } th, td { padding: 6px 7px; } .curve text { font-size: 14px; }
}
`;
