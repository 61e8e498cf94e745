/** What the modules of a base are to PEFT, as the model itself says it. */
import type { ModelFolder } from '../../src/io/modelFolder.ts';
import type { ModuleKind } from '../../src/io/peftTargets.ts';
import { modelFamily } from '../../src/models/families.ts';

export function kindsOf({ config, dir }: Pick<ModelFolder, 'config' | 'dir'>): ReadonlyMap<string, ModuleKind> {
  return modelFamily(String(config['model_type']), dir).describe(config, dir).kinds;
}
