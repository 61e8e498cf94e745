/** How the quick start's report looks, by light and in the dark. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f7f8fa;
  --card: #fff;
  --text: #1c2430;
  --soft: #5d6878;
  --line: #dfe3ea;
  --accent: #2563eb;
  --good: #15803d;
  --bad: #b91c1c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d;
    --card: #1b212b;
    --text: #e6eaf1;
    --soft: #97a3b6;
    --line: #2e3744;
    --accent: #6ea8ff;
    --good: #4ade80;
    --bad: #f87171;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0;
  background: var(--page);
  color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 56px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 6px; }
h2 { font-size: 18px; margin: 34px 0 10px; }
p { margin: 6px 0; max-width: 78ch; }
.soft, .facts dt, th { color: var(--soft); }
.card, .facts { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.facts {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(230px, 1fr));
  gap: 10px 24px;
  padding: 14px 18px;
  margin: 18px 0 0;
}
.facts dt { font-size: 12.5px; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; padding: 4px 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 10px; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
th { font-weight: 500; font-size: 13px; }
.number { text-align: right; white-space: nowrap; }
.better { color: var(--good); font-weight: 600; }
.worse { color: var(--bad); font-weight: 600; }
.curve { display: block; width: 100%; padding: 12px; }
.curve text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--line); }
.raw, .smooth { fill: none; stroke: var(--accent); }
.raw { opacity: .3; }
.smooth { stroke-width: 2.2; }
.key { display: flex; gap: 20px; flex-wrap: wrap; font-size: 14px; margin: 0 0 12px; }
.key i {
  display: inline-block;
  width: 22px;
  margin-right: 7px;
  vertical-align: middle;
  border-top: 3px solid;
}
.of-truth { color: #35d07f; }
.key .of-before { color: #ff7b6b; border-top-style: dashed; }
.of-after { color: #58a6ff; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(310px, 1fr)); gap: 16px; }
.pictures .card { overflow: hidden; display: flex; flex-direction: column; }
.frame { background: #05070a; height: 250px; display: flex; justify-content: center; }
.slice { height: 100%; max-width: 100%; }
.slice image { image-rendering: pixelated; }
.slice rect, .slice line { fill: none; stroke-width: 2.2; vector-effect: non-scaling-stroke; }
.truth { stroke: #35d07f; }
.before { stroke: #ff7b6b; stroke-dasharray: 6 4; }
.after { stroke: #58a6ff; }
.point { fill: #35d07f; }
.said { padding: 12px 14px; font-size: 14px; }
.said h3 { font-size: 15px; margin: 0 0 6px; }
.said table { font-size: 13.5px; }
.said td { padding: 3px 6px 3px 0; border: 0; vertical-align: top; }
.said code { font-size: 12px; }
.said td:first-child { color: var(--soft); white-space: nowrap; }
.said td.number { padding-right: 0; }
code { font: 12.5px/1.45 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
details { margin-top: 8px; }
summary { cursor: pointer; color: var(--soft); font-size: 13px; }
details code { display: block; font-size: 12px; white-space: pre-wrap; margin-top: 6px; }
`;
