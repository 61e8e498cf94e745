/**
 * The groups that MedVision's summaries count samples in: `{group} @ {modality} ({plane})`, where a detection's label is regrouped (Artery,
 * Kidney, …) and a tumour's or lesion's label only loses its synonyms; an angle or distance is its own group, by data set. The names are
 * those of medvision_bm, so that figures can be set beside published ones. A label it does not know stands for itself (medvision_bm stops
 * there).
 */
import { ownValue } from '../../io/ownValue.ts';
import type { SliceDim } from '../nifti.ts';
import type { MedvisionSample } from './sample.ts';

/** Group → its labels; `left/right x` is two of them. Ribs, vertebrae and teeth are known by their form. */
const GROUPS: Readonly<Record<string, string>> = {
  Artery:
    'aorta; anterior communicating artery; basilar artery; left/right iliac artery; left/right anterior cerebral artery; left/right ' +
    'common carotid artery; left/right internal carotid artery; left/right middle cerebral artery; left/right posterior cerebral ' +
    'artery; left/right posterior communicating artery; left/right subclavian artery; renal artery; third a2 segment; brachiocephalic ' +
    'trunk',
  Vein:
    'superior vena cava; inferior vena cava; inferior vena cava (ivc); postcava; postcava (inferior vena cava); portal and splenic ' +
    'veins; portal vein and splenic vein; left/right brachiocephalic vein; left/right iliac vein; renal vein',
  Brain:
    'brain; skull; anterior hippocampus; posterior hippocampus; deep grey matter; grey matter; white matter; brainstem; cerebellum; ' +
    'ventricles; external cerebrospinal fluid',
  'Brain Tumor/Lesion':
    'stroke infarct; peritumoral edema of brain; edema of brain; surrounding non-enhancing flair hyperintensity of brain; resection ' +
    'cavity of brain; enhancing brain tumor; enhancing brain tumor tissue; non-enhancing brain tumor; non-enhancing brain tumor core; ' +
    'gross tumor volume of brain; cystic component of brain',
  Heart:
    'heart; left atrium; left atrium of heart; left atrial appendage; left/right ventricular cavity; left ventricular myocardium; ' +
    'left ventricle; myocardium',
  Lung: 'left/right lung; left/right lung lower lobe; left/right lung upper lobe; right lung middle lobe',
  'Lung Tumor/Lesion': 'lung cancer',
  Liver: 'liver; liver vessel',
  'Liver Tumor/Lesion': 'liver cancer; liver tumour; liver tumor',
  Kidney: 'kidney; left/right kidney',
  'Kidney Tumor/Lesion': 'kidney cyst; left/right kidney cyst; kidney tumor',
  Pancreas: 'pancreas',
  'Pancreas Tumor/Lesion': 'pancreas cancer',
  Gallbladder: 'gall bladder; gallbladder',
  Spleen: 'spleen',
  'Adrenal Gland': 'adrenal gland; left/right adrenal gland; left adrenal gland (lag); right adrenal gland (rag)',
  Colon: 'colon',
  'Colon Tumor/Lesion': 'colon cancer primaries',
  Intestine: 'rectum; duodenum; small bowel',
  Esophagus: 'esophagus',
  Stomach: 'stomach',
  'Urinary System': 'urinary bladder; bladder',
  Uterus: 'uterus',
  Prostate: 'prostate; peripheral zone of prostate; transition zone of prostate',
  'Head-Neck': 'cochlea; trachea; pharynx; thyroid gland',
  'Head-Neck Tumor/Lesion': 'primary gross tumor volume (head & neck); vestibular schwannoma',
  Hip: 'left/right hip; sacrum; left/right gluteus maximus; left/right gluteus medius; left/right gluteus minimus; left/right iliopsoas',
  Rib: 'costal cartilages',
  Spine: 'vertebrae; intervertebral discs; spinal cord',
  Knee:
    'femur; tibia; left/right femur; femoral cartilage; lateral tibial cartilage; medial tibial cartilage; patellar cartilage; ' +
    'lateral meniscus; medial meniscus',
  'Metastatic Lymph Node': 'metastatic lymph node',
  'Miscellaneous Tumor/Lesion': 'edema; tumor; cystic component',
  Jawbone: 'upper jawbone; lower jawbone; left/right inferior alveolar canal',
  Others:
    'na; implant; crown; bridge; left/right autochthon; sternum; humerus; left/right humerus; left/right clavicle; left/right ' +
    'scapula; prostate/uterus',
};

const FORMS: readonly [RegExp, string][] = [
  [/^(left|right) \d+(st|nd|rd|th) rib$/, 'Rib'],
  [/^vertebra [CTLS]\d+$/, 'Spine'],
  [/^(upper|lower) (left|right) .*\b(incisor|canine|premolar|molar)\b/, 'Tooth'],
];

/** Labels of tumours and lesions > the name they are summed under. */
const SYNONYMS =
  'inferior vena cava (ivc) > inferior vena cava; postcava (inferior vena cava) > postcava; portal vein and splenic vein > portal ' +
  'and splenic vein; anterior hippocampus > hippocampus; posterior hippocampus > hippocampus; deep grey matter > grey matter; ' +
  'external cerebrospinal fluid > cerebrospinal fluid; peritumoral edema of brain > brain edema; edema of brain > brain edema; ' +
  'surrounding non-enhancing flair hyperintensity of brain > non-enhancing flair hyperintensity of brain; resection cavity of brain ' +
  '> brain resection cavity; enhancing brain tumor tissue > enhancing brain tumor; gross tumor volume of brain > brain tumor; ' +
  'cystic component of brain > brain cyst; left atrium of heart > left atrium; liver cancer > liver tumor; liver tumour > liver ' +
  'tumor; gall bladder > gallbladder; left adrenal gland (lag) > left adrenal gland; right adrenal gland (rag) > right adrenal ' +
  'gland; colon cancer primaries > colon cancer; peripheral zone of prostate > prostate; transition zone of prostate > prostate; ' +
  'primary gross tumor volume (head & neck) > head & neck tumor; edema > miscellaneous tumor/lesion; tumor > miscellaneous ' +
  'tumor/lesion; cystic component > miscellaneous tumor/lesion; na > others; implant > others; crown > others; bridge > others';

const groupOfLabel = new Map(
  Object.entries(GROUPS).flatMap(([group, labels]) =>
    labels.split('; ').flatMap((label) => {
      const paired = label.startsWith('left/right ') ? label.slice('left/right '.length) : undefined;
      return (paired === undefined ? [label] : [`left ${paired}`, `right ${paired}`]).map((name) => [name, group] as const);
    }),
  ),
);

const nameOfLabel = new Map(SYNONYMS.split('; ').map((pair) => pair.split(' > ') as [string, string]));

/** As the plans write it → as the groups do. */
const MODALITIES: Readonly<Record<string, string>> = { MRI: 'MR', ultrasound: 'US', 'X-ray': 'XR' };

const PLANES: Readonly<Record<SliceDim, string>> = { 0: 'S', 1: 'C', 2: 'A' };

/** The group of a detection's label, e.g. "left kidney" → "Kidney". */
export function regroupLabel(label: string): string {
  return groupOfLabel.get(label) ?? FORMS.find(([form]) => form.test(label))?.[1] ?? label;
}

/** What the groups need to know of a sample. */
export type GroupFacts = Pick<MedvisionSample, 'dataset' | 'sliceDim' | 'annotation' | 'modality'>;

/** The summary that a sample is counted in. */
export function groupOf({ dataset, sliceDim, annotation, modality = '?' }: GroupFacts): string {
  if ('key' in annotation) return `${dataset}_${annotation.kind}_${annotation.key}`;
  const { labelName } = annotation;
  const name = annotation.kind === 'box' ? regroupLabel(labelName) : (nameOfLabel.get(labelName) ?? labelName);
  return `${name} @ ${ownValue(MODALITIES, modality) ?? modality} (${PLANES[sliceDim]})`;
}
