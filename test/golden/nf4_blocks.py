"""NF4 as bitsandbytes 0.50's default back end computes it; `matrices` is the golden set's nf4/matrices.safetensors, whose arrays prove it equal."""
import torch


def block_quantise(values, code, size):
    values = values.reshape(-1).float()
    full = values.numel() - values.numel() % size
    blocks = values[:full].reshape(-1, size)
    absmax = blocks.abs().max(dim=-1)[0] if full else values.new_zeros(0)
    scaled = torch.clamp(blocks * (1.0 / absmax.clamp(min=1e-38).view(-1, 1)), -1, 1).reshape(-1)
    if full < values.numel():
        rest = values[full:].abs().max().clamp(min=1e-38)
        absmax = torch.cat([absmax, rest.unsqueeze(0)])
        scaled = torch.cat([scaled, torch.clamp(values[full:] / rest, -1, 1)])
    return torch.bucketize(scaled, (code[:-1] + code[1:]) / 2, out_int32=True).to(torch.uint8), absmax


def quantise(weight, matrices, block=64, double=True):
    """The arrays that are stored, and the scales they stand for."""
    codes, absmax = block_quantise(weight, matrices["nf4_code"], block)
    if not double:
        return dict(codes=codes, absmax=absmax), absmax
    offset = absmax.mean()
    bytes_, nested = block_quantise(absmax - offset, matrices["dynamic_map"], 256)
    restored = matrices["dynamic_map"][bytes_.long()] * nested.repeat_interleave(256)[: len(bytes_)] + offset
    return dict(codes=codes, absmax=bytes_, nested=nested, offset=offset.reshape(1)), restored


def dequantise(weight, matrices, block=64, double=True):
    arrays, scales = quantise(weight, matrices, block, double)
    values = matrices["nf4_code"][arrays["codes"].long()] * scales.repeat_interleave(block)[: weight.numel()]
    return values.reshape(weight.shape).to(weight.dtype)
