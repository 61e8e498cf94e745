/** What the modules of a base are to PEFT, as the model itself says it. */
import type { ModelFolder } from '../../src/io/modelFolder.ts';
import type { ModuleKind } from '../../src/io/peftTargets.ts';
import { modelFamily } from '../../src/models/families.ts';

export function kindsOf({ modelType, config, dir }: Pick<ModelFolder, 'modelType' | 'config' | 'dir'>): ReadonlyMap<string, ModuleKind> {
  return modelFamily(modelType, dir).describe(config, dir).kinds;
}
