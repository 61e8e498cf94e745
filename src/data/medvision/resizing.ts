/** The size that a slice has for the model which the rows are prepared for. */
import { UserError } from '../../platform.ts';
import type { Processor } from '../example.ts';
import { isFixedSize } from './samples.ts';

/**
 * The processor's own size; with `--image_size` that of a processor of the same kind with another fixed size: a checkpoint with small
 * images then prepares rows for MedGemma's 896.
 * @throws UserError where the processor has no fixed size
 */
export function preparedSize(processor: Pick<Processor, 'resizedSize'>, imageSize: number | null): Processor['resizedSize'] {
  const resizedSize: Processor['resizedSize'] = (height, width) => processor.resizedSize(height, width);
  if (imageSize === null) return resizedSize;
  if (!isFixedSize(resizedSize)) {
    throw new UserError(
      `--image_size ${imageSize}: the base model has no fixed image size, it follows each image. Set --min_pixels and --max_pixels ` +
        `instead.`,
    );
  }
  return () => ({ height: imageSize, width: imageSize });
}
