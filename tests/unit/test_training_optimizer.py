"""Adam by Keras' formula, from PyTorch's fused kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from exvivo.training.optimizer import KerasAdam


class OneWeight(nn.Module):
    def __init__(self, values):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(values))


def keras(weights, gradients, rate=1e-2, beta1=0.9, beta2=0.999, epsilon=1e-7, last=None):
    """The formula of Keras' documentation, in double precision."""
    weights = np.array(weights, dtype=np.float64)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step, gradient in enumerate(gradients, start=1):
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        falling = 1 if last is None else 0.5 * (1 + np.cos(np.pi * (step - 1) / last))
        corrected = falling * rate * np.sqrt(1 - beta2**step) / (1 - beta1**step)
        weights = weights - corrected * mean / (np.sqrt(square) + epsilon)
    return weights


@pytest.mark.parametrize("epsilon", [1e-7, 1e-2])
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_agrees_with_keras_formula(epsilon, scale):
    generator = np.random.default_rng(0)
    gradients = scale * generator.standard_normal((25, 3))
    model = OneWeight([0.5, -0.2, 0.0])
    adam = KerasAdam(model, 1e-2, 0.9, 0.999, epsilon)
    for gradient in gradients:
        model.weight.grad = torch.from_numpy(gradient).float()
        adam.update_rest(adam.rates(1)[0])
    expected = keras([0.5, -0.2, 0.0], gradients, epsilon=epsilon)
    np.testing.assert_allclose(model.weight.detach().numpy(), expected, rtol=2e-5, atol=1e-7)


def test_a_cosine_starts_at_the_rate_and_ends_at_nothing():
    gradients = np.random.default_rng(0).standard_normal((40, 3))
    model = OneWeight([0.5, -0.2, 0.0])
    adam = KerasAdam(model, 1e-2, 0.9, 0.999, 1e-7, last_step=40)
    moved = []
    for gradient in gradients:
        before = model.weight.detach().clone()
        model.weight.grad = torch.from_numpy(gradient).float()
        adam.update_rest(adam.rates(1)[0])
        moved.append((model.weight.detach() - before).abs().max().item())
    expected = keras([0.5, -0.2, 0.0], gradients, last=40)
    np.testing.assert_allclose(model.weight.detach().numpy(), expected, rtol=2e-5, atol=1e-7)
    assert moved[0] == pytest.approx(1e-2, rel=1e-3)
    assert moved[-1] < 1e-4


def test_the_two_definitions_of_epsilon_differ_by_what_the_docs_say():
    """With a gradient near epsilon Keras' first step is far smaller than PyTorch's."""
    ours, torchs = OneWeight([0.0]), OneWeight([0.0])
    adam = KerasAdam(ours, 1e-2, 0.9, 0.999, 1e-7)
    reference = torch.optim.Adam(torchs.parameters(), lr=1e-2, eps=1e-7)
    for model in (ours, torchs):
        model.weight.grad = torch.tensor([1e-7])
    adam.update_rest(adam.rates(1)[0]), reference.step()
    assert torchs.weight.item() == pytest.approx(-1e-2 * 0.5, rel=1e-3)
    # epsilon acts as epsilon / sqrt(1 - beta2): 1e-7 / (1e-7 + 31.6e-7)
    assert ours.weight.item() == pytest.approx(-1e-2 / (1 + 1 / np.sqrt(1e-3)), rel=1e-3)


def test_rates_of_many_steps_are_those_of_one_after_the_other():
    for last in (None, 40):
        model = OneWeight([0.5])
        together, single = (KerasAdam(model, 1e-2, 0.9, 0.999, 1e-7, last_step=last) for _ in "ab")
        some = torch.cat([together.rates(5), together.rates(3)])
        assert torch.equal(some, torch.stack([single.rates(1)[0] for _ in range(8)]))
        assert together.steps == single.steps == 8


def test_a_dense_layer_is_updated_from_its_inputs_and_outputs_gradients():
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(5, 3)
    expected = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    adam = KerasAdam(layer, 1e-2, 0.9, 0.999, 1e-7)
    inputs, slopes = torch.randn(4, 5, generator=generator), torch.randn(4, 3, generator=generator)
    expected = {
        "weight": keras(expected["weight"], [(slopes.t() @ inputs).numpy()]),
        "bias": keras(expected["bias"], [slopes.sum(0).numpy()]),
    }
    adam.update_dense(layer.weight, layer.bias, slopes, inputs, adam.rates(1)[0])
    for name, parameter in layer.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), expected[name], atol=1e-6)


def test_a_gradient_in_another_layout_is_laid_out_first():
    """The kernel walks over memory: taken as it lies, it would be another gradient."""
    layer = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    before = layer.weight.detach().clone(memory_format=torch.contiguous_format).numpy()
    adam = KerasAdam(layer, 1e-2, 0.9, 0.999, 1e-7)
    gradient = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    copies = (torch.zeros_like(layer.weight, dtype=torch.bfloat16), torch.zeros(4))
    sums = torch.ones(2, 4)
    adam.update_conv(layer.weight, layer.bias, gradient, sums, adam.rates(1)[0], copies)
    np.testing.assert_allclose(
        layer.weight.detach().numpy(), keras(before, [gradient.numpy()]), atol=1e-6
    )
    assert torch.equal(copies[0], layer.weight.detach().to(torch.bfloat16))
    assert torch.equal(copies[1], layer.bias.detach())


def test_state_is_the_tensors_themselves():
    model = OneWeight([1.0, 2.0])
    adam = KerasAdam(model, 1e-2, 0.9, 0.999, 1e-7)
    state = adam.state()
    assert set(state) == {"steps", "exp_avg.weight", "exp_avg_sq.weight"}
    model.weight.grad = torch.tensor([1.0, -1.0])
    adam.update_rest(adam.rates(1)[0])
    assert state["steps"] == 1
    torch.testing.assert_close(state["exp_avg.weight"], torch.tensor([0.1, -0.1]))
    torch.testing.assert_close(state["exp_avg_sq.weight"], torch.tensor([1e-3, 1e-3]))
    assert model.weight.grad is None  # used and forgotten
