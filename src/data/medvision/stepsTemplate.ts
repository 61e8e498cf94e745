/**
 * `--answer_template steps`: answers that show how they come about. Every number of a step is one that was said before it, or follows from
 * such, as far as the said digits reach (of a pixel's size they are the question's); the last is the answer, which stands alone between
 * <answer> and </answer>.
 */

/** A number with so many decimals. */
const f = (decimals: number, value: string): string => `{{ '%.${decimals}f' % ${value} }}`;

const PROMPT = [
  '{{ question }}',
  'Format requirement:',
  'Reason step by step between <think> and </think>, then give the answer between <answer> and </answer>. {{ format }}',
];

const [width, height] = ['{{ image.width }}', '{{ image.height }}'];
const [left, right] = [f(2, 'box.left_px'), f(2, 'box.right_px')];
const [top, bottom] = [f(2, 'box.top_px'), f(2, 'box.bottom_px')];
const BOX_ANSWER = [
  '<think>',
  '{% for box in boxes %}',
  `{{ loop.index }}. The {{ name }} reaches from column ${left} to ${right} of ${width}, and from row ${top} to ${bottom} of ${height}.`,
  `   x1 = ${left} / ${width} = ${f(3, 'box.x1')}, x2 = ${right} / ${width} = ${f(3, 'box.x2')}.`,
  `   y1 = 1 - ${bottom} / ${height} = ${f(3, 'box.y1')}, y2 = 1 - ${top} / ${height} = ${f(3, 'box.y2')}.`,
  '{% endfor %}',
  '</think>',
  '<answer>{{ target }}</answer>',
];

const [pixelWidth, pixelHeight] = [f(3, 'pixel.width'), f(3, 'pixel.height')];
const [across, down] = [f(2, 'line.across_mm'), f(2, 'line.down_mm')];
const place = (end: string): string => `the {{ line.${end}.name }} at (${f(3, `line.${end}.x`)}, ${f(3, `line.${end}.y`)})`;
const product = (of: string): string => `${f(2, `lines[0].${of}`)} x ${f(2, `lines[1].${of}`)}`;
const LINES_ANSWER = [
  '<think>',
  `The image is ${width} pixels wide and ${height} high; a pixel is ${pixelWidth} mm wide and ${pixelHeight} mm high. ` +
    'Coordinates are relative to the image, with the origin at the lower left.',
  '{% for line in lines %}',
  `{{ loop.index }}. From ${place('from')} to ${place('to')}:`,
  `   across: ${f(2, 'line.across_px')} pixels x ${pixelWidth} mm = ${across} mm; ` +
    `down: ${f(2, 'line.down_px')} pixels x ${pixelHeight} mm = ${down} mm.`,
  `   length: sqrt(${across}^2 + ${down}^2) = ${f(2, 'line.length_mm')} mm.`,
  '{% endfor %}',
  '{% if cosine is defined %}',
  `3. cosine: |${product('right_mm')} + ${product('up_mm')}| / (${product('length_mm')}) = ${f(4, 'cosine')}; ` +
    `the angle is arccos(${f(4, 'cosine')}) = {{ target }} degrees.`,
  '{% endif %}',
  '</think>',
  '<answer>{{ target }}</answer>',
];

const block = (name: string, lines: readonly string[]): string => [`  ${name}: |-`, ...lines.map((line) => `    ${line}`)].join('\n');
const kind = (name: string, answer: readonly string[]): string => [`${name}:`, block('prompt', PROMPT), block('answer', answer)].join('\n');

/** As such a file is written (answerTemplate.ts). */
export const STEPS_TEMPLATE = [kind('box', BOX_ANSWER), ...['ellipse', 'distance', 'angle'].map((name) => kind(name, LINES_ANSWER))].join(
  '\n',
);
