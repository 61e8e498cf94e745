/** What the options say of the size of images, each in place of what the model folder says (PixelBounds of src/models/model.ts). */
export interface ImageSizeOptions {
  readonly min_pixels: number | null;
  readonly max_pixels: number | null;
  readonly do_image_splitting: boolean | null;
  readonly longest_edge: number | null;
}

/** As a processor takes them; what is not said is absent. */
export function imageSizes({ min_pixels, max_pixels, do_image_splitting, longest_edge }: ImageSizeOptions): {
  minPixels?: number;
  maxPixels?: number;
  isSplit?: boolean;
  longestEdge?: number;
} {
  return {
    ...(min_pixels !== null && { minPixels: min_pixels }),
    ...(max_pixels !== null && { maxPixels: max_pixels }),
    ...(do_image_splitting !== null && { isSplit: do_image_splitting }),
    ...(longest_edge !== null && { longestEdge: longest_edge }),
  };
}

/** For what tells runs and folders apart; those from before the last two options say nothing of them. */
export function imageSizeFacts(options: ImageSizeOptions): Record<string, number | boolean | null> {
  const { min_pixels, max_pixels, do_image_splitting, longest_edge } = options;
  return {
    min_pixels,
    max_pixels,
    ...(do_image_splitting !== null && { do_image_splitting }),
    ...(longest_edge !== null && { longest_edge }),
  };
}
