/** How the page about training data looks, by light and in the dark. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9;
  --card: #fff;
  --text: #1b2330;
  --soft: #5f6b7c;
  --line: #dfe3ea;
  --accent: #2563eb;
  --learnt: #c8ecd2;
  --learnt2: #b0e0bf;
  --learnt-text: #0b4a22;
  --image: #e6dcfb;
  --image-text: #4a2a8a;
  --quiet: #eef0f4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11151b;
    --card: #1a2029;
    --text: #e5e9f0;
    --soft: #98a4b6;
    --line: #2d3643;
    --accent: #6ea8ff;
    --learnt: #14532d;
    --learnt2: #1b6a3b;
    --learnt-text: #d6f7e1;
    --image: #3b2a66;
    --image-text: #ddd0ff;
    --quiet: #232b37;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0;
  background: var(--page);
  color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 12px; overflow-wrap: anywhere; }
h2 small { font-weight: 400; color: var(--soft); font-size: 13.5px; margin-left: 8px; }
p { margin: 6px 0; max-width: 82ch; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
.soft, dt, th, figcaption { color: var(--soft); }
.card, .facts { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.facts {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(210px, 1fr));
  gap: 10px 24px;
  padding: 14px 18px;
  margin: 18px 0 0;
}
dt { font-size: 12.5px; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; padding: 4px 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 9px 10px; border-bottom: 1px solid var(--line); vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
th { font-weight: 500; font-size: 13px; }
td.name { overflow-wrap: anywhere; min-width: 190px; }
.number { text-align: right; white-space: nowrap; }
.histogram { margin: 0; width: 250px; }
.histogram svg { width: 250px; height: 56px; display: block; }
.histogram rect { fill: var(--accent); opacity: .78; }
.histogram rect:hover { opacity: 1; }
.histogram figcaption {
  display: flex;
  justify-content: space-between;
  gap: 8px;
  font-size: 11.5px;
  border-top: 1px solid var(--line);
  padding-top: 2px;
  white-space: nowrap;
}
.key { max-width: none; display: flex; flex-wrap: wrap; gap: 8px 20px; font-size: 13.5px; margin: 14px 0 0; }
.key span { white-space: nowrap; }
.rows { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr)); gap: 18px; }
.rows .card { overflow: hidden; display: flex; flex-direction: column; }
.frame { background: #05070a; height: 290px; display: flex; justify-content: center; gap: 4px; }
.slice { height: 100%; max-width: 100%; }
.slice image { image-rendering: pixelated; }
.slice rect { fill: none; stroke: #35d07f; stroke-width: 2; vector-effect: non-scaling-stroke; }
.slice line { stroke: #35d07f; stroke-width: 2; vector-effect: non-scaling-stroke; }
.slice circle { fill: #ffd24a; }
.said { padding: 13px 16px 15px; display: flex; flex-direction: column; gap: 9px; flex: 1; }
h3 { font-size: 15.5px; margin: 0; overflow-wrap: anywhere; }
.tags { display: flex; flex-wrap: wrap; gap: 6px; }
.tags span {
  background: var(--quiet);
  border-radius: 99px;
  padding: 1px 10px;
  font-size: 12.5px;
  color: var(--soft);
  white-space: nowrap;
}
.answer {
  font: 600 15px/1.4 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace;
  overflow-wrap: anywhere;
}
.prompt { font-size: 13.5px; white-space: pre-wrap; overflow-wrap: anywhere; }
.label { font-size: 12px; color: var(--soft); margin-bottom: 1px; }
.tokens {
  font: 12.5px/1.75 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
  background: var(--quiet);
  border-radius: 8px;
  padding: 8px 10px;
}
.tokens i { font-style: normal; color: var(--soft); }
.tokens i:nth-child(even) { color: var(--text); }
.tokens b, .key b {
  font-weight: 600;
  background: var(--learnt);
  color: var(--learnt-text);
  border-radius: 3px;
  padding: 1px 0;
}
.tokens b:nth-child(even) { background: var(--learnt2); }
.tokens u, .key u {
  text-decoration: none;
  background: var(--image);
  color: var(--image-text);
  border-radius: 4px;
  padding: 1px 6px;
  white-space: nowrap;
}
.key b, .key u { padding: 1px 6px; }
.key i { font-style: normal; color: var(--soft); }
.key .drawn { color: #35d07f; }
details summary { cursor: pointer; color: var(--soft); font-size: 13px; }
details[open] summary { margin-bottom: 6px; }
article { scroll-margin-top: 12px; }
article:target { outline: 2px solid var(--accent); }
`;
