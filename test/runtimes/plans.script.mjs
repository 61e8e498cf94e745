/** For plans.ts: every plan of the runtime's adapter, `args.seconds` at most (dist/planChecks/planChecks.mjs, bundled from planChecks.ts). */
export default async function plans({ gpu, args }) {
  const { checkPlans } = await import('../../dist/planChecks/planChecks.mjs');
  return checkPlans(gpu, args.seconds);
}
