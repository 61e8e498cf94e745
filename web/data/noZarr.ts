/**
 * In the place of the compressions that niivue would read OME-Zarr with (vite.config.ts): the viewer is given voxels that are read already,
 * and they would be 1.4 MB of the page.
 */
export default class NoZarr {
  static fromConfig(): never {
    throw new Error('OME-Zarr is not read here');
  }
}
