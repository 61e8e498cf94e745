declare const sendAll: (host: { runtime: string; args: unknown }) => Promise<{ status?: number; length?: number; error?: string; words?: string; isLasting?: boolean }[]>;
export default sendAll;
