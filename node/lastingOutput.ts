/**
 * Writing to a console that may go away: a pipe whose reader has ended (`| head`), a terminal that was closed, a log file on a full disk. A
 * run of days does not end for that; what it would have said is dropped, and its figures are in its own log.
 */
export function lastingOutput(stream: Pick<NodeJS.WriteStream, 'write' | 'on'>): (text: string) => void {
  let isGone = false;
  stream.on('error', () => {
    isGone = true;
  });
  return (text) => {
    if (isGone) return;
    try {
      stream.write(text);
    } catch {
      isGone = true; // files and, on some systems, pipes are written at once, and fail at once
    }
  };
}
