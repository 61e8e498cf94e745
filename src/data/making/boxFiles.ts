/**
 * Boxes on pictures as annotation tools save them: COCO (one JSON file with `images`, `annotations`, `categories`; boxes are [x, y, width,
 * height] in pixels) and LabelMe (a JSON file a picture with `shapes`; rectangles by two corners, and the boxes of other areas). Corners
 * lie between pixels, with the picture's upper left corner at 0, so that the box has every pixel that they reach into.
 */
import { lastName, UserError } from '../../platform.ts';
import { asArray, asIndex, asNumber, asNumbers, asObject, asString } from '../medvision/json.ts';
import type { JsonObject } from '../medvision/json.ts';

export interface PictureBox {
  name: string;
  /** [row, column] of the first and of the last pixel. */
  min: [number, number];
  max: [number, number];
  /** Rows and columns of the picture that it was drawn on, where the file says them. */
  on: [number, number] | undefined;
}

export interface PictureBoxes {
  /** Name of the picture's file, without folders. */
  file: string;
  boxes: PictureBox[];
  /** Names of which the picture has a crowd (COCO's `iscrowd`), a region of many; none of them has boxes, for there are others beside. */
  crowds: string[];
}

/** Of COCO or LabelMe. @throws UserError for other JSON, and for what is no box */
export function readBoxFile(value: unknown, where: string): PictureBoxes[] {
  const file = asObject(value, where);
  if ('annotations' in file && 'images' in file) return readCoco(file, where);
  if ('shapes' in file) return [readLabelMe(file, where)];
  throw new UserError(`${where}: neither COCO ("images", "annotations", "categories") nor LabelMe ("shapes").`);
}

function readCoco(file: JsonObject, where: string): PictureBoxes[] {
  const names = new Map(
    asArray(file['categories'], `${where}: categories`).map((one, at) => {
      const category = asObject(one, `${where}: categories[${at}]`);
      return [asIndex(category['id'], `${where}: categories[${at}].id`), asString(category['name'], `${where}: categories[${at}].name`)];
    }),
  );
  const pictures = new Map(
    asArray(file['images'], `${where}: images`).map((one, at): [unknown, PictureBoxes & { on: PictureBox['on'] }] => {
      const place = `${where}: images[${at}]`;
      const image = asObject(one, place);
      const name = lastName(asString(image['file_name'], `${place}.file_name`));
      return [image['id'], { file: name, on: sizeOf(image, 'height', 'width', place), boxes: [], crowds: [] }];
    }),
  );
  for (const [at, one] of asArray(file['annotations'], `${where}: annotations`).entries()) {
    const place = `${where}: annotations[${at}]`;
    const found = asObject(one, place);
    const picture = pictures.get(found['image_id']);
    if (picture === undefined) throw new UserError(`${place}.image_id: no picture of "images" has it.`);
    const name = names.get(asIndex(found['category_id'], `${place}.category_id`));
    if (name === undefined) throw new UserError(`${place}.category_id: "categories" has none of it.`);
    if (found['iscrowd'] === 1 || found['iscrowd'] === true) {
      picture.crowds.push(name);
      continue;
    }
    const [x = NaN, y = NaN, width = NaN, height = NaN] = asNumbers(found['bbox'], 4, `${place}.bbox`);
    picture.boxes.push(pixelBox(name, [y, x], [y + height, x + width], picture.on, place));
  }
  return [...pictures.values()].map(({ file: picture, boxes, crowds }) => {
    return { file: picture, boxes: boxes.filter(({ name }) => !crowds.includes(name)), crowds };
  });
}

function readLabelMe(file: JsonObject, where: string): PictureBoxes {
  const size = sizeOf(file, 'imageHeight', 'imageWidth', where);
  const boxes = asArray(file['shapes'], `${where}: shapes`).map((one, at) => {
    const place = `${where}: shapes[${at}]`;
    const shape = asObject(one, place);
    const type = asString(shape['shape_type'] ?? 'polygon', `${place}.shape_type`);
    const points = asArray(shape['points'], `${place}.points`).map((point, i) => asNumbers(point, 2, `${place}.points[${i}]`));
    const corners = cornersOf(type, points, place);
    const [xs, ys] = [corners.map(([x = NaN]) => x), corners.map(([, y = NaN]) => y)];
    const name = asString(shape['label'], `${place}.label`);
    return pixelBox(name, [Math.min(...ys), Math.min(...xs)], [Math.max(...ys), Math.max(...xs)], size, place);
  });
  return { file: lastName(asString(file['imagePath'], `${where}: imagePath`)), boxes, crowds: [] };
}

const LEAST_POINTS: ReadonlyMap<string, number> = new Map([
  ['rectangle', 2],
  ['circle', 2],
  ['mask', 2],
  ['polygon', 3],
]);

/** Points, [x, y], of whose box a shape has the sides. @throws UserError for shapes that have no area */
function cornersOf(type: string, points: readonly (readonly number[])[], where: string): readonly (readonly number[])[] {
  const least = LEAST_POINTS.get(type);
  if (least === undefined)
    throw new UserError(`${where}: a ${type.slice(0, 40)}, which has no area. Draw what is meant as a rectangle, or remove it.`);
  if (points.length < least) throw new UserError(`${where}.points: ${points.length}; a ${type} has ${least} at least.`);
  const [[x = NaN, y = NaN] = [], [atX = NaN, atY = NaN] = []] = points;
  if (type === 'circle') {
    // Its centre, and a point of its line.
    const radius = Math.hypot(atX - x, atY - y);
    return [
      [x - radius, y - radius],
      [x + radius, y + radius],
    ];
  }
  // The first and the last pixel of the mask, both belonging to it.
  if (type === 'mask') return [points[0] ?? [], [atX + 1, atY + 1]];
  return points;
}

function sizeOf(object: JsonObject, height: string, width: string, where: string): [number, number] | undefined {
  if (object[height] === undefined || object[height] === null) return undefined;
  return [asNumber(object[height], `${where}.${height}`), asNumber(object[width], `${where}.${width}`)];
}

/** Tools leave a hundredth of a pixel beyond a line where their arithmetic does. */
const SLACK = 0.01;

function pixelBox(
  name: string,
  from: readonly number[],
  to: readonly number[],
  size: [number, number] | undefined,
  where: string,
): PictureBox {
  const min = from.map((at) => Math.floor(at + SLACK)) as [number, number];
  const max = to.map((at) => Math.ceil(at - SLACK) - 1) as [number, number];
  const isOutside = min.some((at) => at < 0) || (size !== undefined && max.some((at, axis) => at >= (size[axis] ?? Infinity)));
  if (isOutside || max.some((at, axis) => at < (min[axis] ?? 0))) {
    const shown = `rows ${from[0]} to ${to[0]}, columns ${from[1]} to ${to[1]}`;
    throw new UserError(
      `${where}: the box (${shown}) is empty or not inside the picture${size ? ` of ${size.join('×')}` : ''}. Correct or remove it.`,
    );
  }
  return { name: name.trim(), min, max, on: size };
}
