/** Property tests draw the same cases every run, so that a red run can be repeated; VERNIER_PROPERTY_SEED=N draws others (a failure prints its own seed too). */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['VERNIER_PROPERTY_SEED'] ?? 20261123) });
