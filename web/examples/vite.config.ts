// Workers that load some of their parts later are modules.
export default { worker: { format: 'es' } };
