/** `npm run build`: the three builds of vite.config.ts, from new. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, ensurePackages, root } from './steps.mjs';

ensurePackages();
rmSync(join(root, 'dist'), { recursive: true, force: true });
ensureBuilt(['node', 'library', 'web'], { force: true });
