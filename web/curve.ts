/** The loss curve: one point a step, drawn again whenever one is added. Losses that are not finite leave a gap. */

const MARGIN = { left: 48, right: 12, top: 12, bottom: 28 };

export function drawCurve(canvas: HTMLCanvasElement, losses: readonly number[], totalSteps: number): void {
  const ratio = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  context.font = '12px system-ui, sans-serif';
  context.fillStyle = style.color;
  context.strokeStyle = style.color;

  const finite = losses.filter((loss) => Number.isFinite(loss));
  const top = Math.max(0.1, ...finite) * 1.05;
  const x = (step: number): number => MARGIN.left + ((step - 1) / Math.max(1, totalSteps - 1)) * (width - MARGIN.left - MARGIN.right);
  const y = (loss: number): number => MARGIN.top + (1 - loss / top) * (height - MARGIN.top - MARGIN.bottom);

  context.textAlign = 'right';
  context.textBaseline = 'middle';
  context.globalAlpha = 0.25;
  context.beginPath();
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    context.moveTo(MARGIN.left, y(part * top));
    context.lineTo(width - MARGIN.right, y(part * top));
  }
  context.stroke();
  context.globalAlpha = 1;
  for (const part of [0, 0.25, 0.5, 0.75, 1]) context.fillText((part * top).toFixed(2), MARGIN.left - 6, y(part * top));
  context.textAlign = 'center';
  context.fillText('1', x(1), height - 12);
  context.fillText(`step ${totalSteps}`, x(totalSteps) - 18, height - 12);

  context.strokeStyle = style.getPropertyValue('--accent') || style.color;
  context.lineWidth = 2;
  context.beginPath();
  let penDown = false;
  losses.forEach((loss, at) => {
    if (!Number.isFinite(loss)) {
      penDown = false;
      return;
    }
    if (penDown) context.lineTo(x(at + 1), y(loss));
    else context.moveTo(x(at + 1), y(loss));
    penDown = true;
  });
  context.stroke();
}
