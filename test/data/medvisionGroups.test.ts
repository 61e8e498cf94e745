/** The groups that summaries count samples in. */
import { expect, test } from 'vitest';
import { groupOf, regroupLabel } from '../../src/data/medvision/groups.ts';
import type { GroupFacts } from '../../src/data/medvision/groups.ts';

test('labels of detection are regrouped as the reference does', () => {
  const cases: [string, string][] = [
    ['left kidney', 'Kidney'],
    ['right kidney cyst', 'Kidney Tumor/Lesion'],
    ['left 11th rib', 'Rib'],
    ['vertebra L5', 'Spine'],
    ['lower left third molar (wisdom tooth)', 'Tooth'],
    ['inferior vena cava (ivc)', 'Vein'],
    ['right adrenal gland (rag)', 'Adrenal Gland'],
    ['edema', 'Miscellaneous Tumor/Lesion'],
    ['metastatic lymph node', 'Metastatic Lymph Node'],
    ['prostate/uterus', 'Others'],
    ['left hippocampus', 'left hippocampus'],
  ];
  for (const [label, group] of cases) expect(regroupLabel(label), label).toBe(group);
});

test('a group names label, modality and plane, or data set, kind and metric', () => {
  const box = (labelName: string): GroupFacts['annotation'] => ({ kind: 'box', label: 1, labelName, min: [0, 0], max: [1, 1] });
  const ellipse = (labelName: string): GroupFacts['annotation'] => ({ kind: 'ellipse', label: 1, labelName, major: 2, minor: 1, unit: 'mm', isSuspect: false });
  const angle: GroupFacts['annotation'] = { kind: 'angle', key: 'A-L_2_5-L_2_6', name: '', value: 1, unit: 'degree', landmarks: [] };
  expect(groupOf({ dataset: 'BCV15', sliceDim: 2, modality: 'CT', annotation: box('spleen') })).toBe('Spleen @ CT (A)');
  expect(groupOf({ dataset: 'X', sliceDim: 0, modality: 'ultrasound', annotation: box('left ventricle') })).toBe('Heart @ US (S)');
  expect(groupOf({ dataset: 'MSD', sliceDim: 1, modality: 'MRI', annotation: ellipse('liver cancer') })).toBe('liver tumor @ MR (C)');
  expect(groupOf({ dataset: 'KiTS23', sliceDim: 2, modality: 'X-ray', annotation: ellipse('kidney tumor') })).toBe('kidney tumor @ XR (A)');
  expect(groupOf({ dataset: 'Ceph-Biometrics-400', sliceDim: 0, annotation: angle })).toBe('Ceph-Biometrics-400_angle_A-L_2_5-L_2_6');
});
