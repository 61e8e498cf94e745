/** How much of a DICOM object is believed, so that a small or broken one cannot cost the memory or the time of a large one. */
export interface DicomLimits {
  /** Bytes before the pixels: attributes and private data. */
  headerBytes: number;
  /** Bytes that a deflated object may unfold to. */
  inflatedBytes: number;
  /** Bytes of a decoded frame. */
  frameBytes: number;
  /** Bytes of all compressed frames of one object. */
  encodedBytes: number;
  frames: number;
  /** Files looked at in a folder. */
  files: number;
}

export const DICOM_LIMITS: DicomLimits = {
  headerBytes: 256 * 2 ** 20,
  inflatedBytes: 2 ** 30,
  frameBytes: 2 ** 30,
  encodedBytes: 2 ** 30,
  frames: 65_536,
  files: 20_000,
};
