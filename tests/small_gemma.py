"""A small Gemma 3 with a tokenizer of its own, for tests and trials where no weights can be had.

The tokenizer is built as Gemma's is (spaces are `▁`, characters without a token of their own are spelt out in bytes,
each digit is a token) and has FunctionGemma's control tokens at their places. Both are saved as transformers saves
them, so that the code that loads the real model loads these.
"""

import json
import string
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

_CONTROLS = {
    0: "<pad>",
    1: "<eos>",
    2: "<bos>",
    3: "<unk>",
    46: "<start_function_declaration>",
    47: "<end_function_declaration>",
    48: "<start_function_call>",
    49: "<end_function_call>",
    50: "<start_function_response>",
    51: "<end_function_response>",
    52: "<escape>",
    105: "<start_of_turn>",
    106: "<end_of_turn>",
}
"""As in FunctionGemma's tokenizer; the places between are unused there as well."""
_FIRST_BYTE = 107
_IGNORED = -100
"""Targets that are not learned."""
_TEXTS = (
    "You are a model that can do function calling with the following functions",
    "declaration: call: response: description: parameters: properties: required: type: enum: items: true false null",
    "STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT user model developer",
    "What is the weather like in Tokyo tomorrow? Remind me at nine to buy milk, please. Thank you!",
    "明日の東京の天気を教えてください。9時に牛乳を買うのを忘れないように言って。ありがとう！",
)


def make_tokenizer(path: Path, texts: Iterable[str] = (), *, size: int = 1200) -> PreTrainedTokenizerFast:
    """Makes a tokenizer and saves it in a folder.

    Args:
        path: the folder; made where it isn't there.
        texts: what it learns its tokens from, beside a few lines of its own.
        size: tokens at most, control tokens and bytes included.
    """
    # Learned with words, punctuation and digits apart, as SentencePiece does it, so that no token crosses them.
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    apart = pre_tokenizers.Split(Regex(r"[0-9\n]|▁*[^\W_0-9]+|▁*(?:[^\w▁]|_)+|▁+"), "isolated")
    learner.pre_tokenizer = apart
    first = _FIRST_BYTE + 256
    alphabet = sorted({*string.printable, "▁"} - {" ", "\r", "\t", "\x0b", "\x0c"})
    trainer = trainers.BpeTrainer(
        vocab_size=size - first,
        show_progress=False,
        initial_alphabet=alphabet,
        limit_alphabet=(size - first) // 2,
        max_token_length=16,
    )
    learner.train_from_iterator([*_TEXTS, *texts], trainer)
    learned = json.loads(learner.to_str())["model"]
    vocabulary = {_CONTROLS.get(number, f"<unused{number}>"): number for number in range(_FIRST_BYTE)}
    vocabulary |= {f"<0x{byte:02X}>": _FIRST_BYTE + byte for byte in range(256)}
    for token in sorted(learned["vocab"], key=learned["vocab"].__getitem__):
        vocabulary.setdefault(token, len(vocabulary))
    merges = [tuple(merge) for merge in learned["merges"]]
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = apart
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in list(vocabulary)[:_FIRST_BYTE]]
    )
    fast: PreTrainedTokenizerFast = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    )
    path.mkdir(parents=True, exist_ok=True)
    fast.save_pretrained(path)
    return fast


def make_model(
    path: Path,
    *,
    layers: int = 4,
    hidden: int = 64,
    heads: int = 2,
    head_dim: int = 32,
    feed_forward: int = 128,
    window: int = 64,
    whole: int = 2,
    vocabulary: int | None = None,
    seed: int = 0,
) -> Gemma3ForCausalLM:
    """Makes a Gemma 3 with random weights and saves it in a folder.

    Args:
        path: the folder, with the tokenizer in it (see `make_tokenizer`).
        layers: how many.
        hidden: size of its states.
        heads: of attention; all share one key and value.
        head_dim: size of a query, key or value.
        feed_forward: size of the states between.
        window: tokens that most layers see.
        whole: every so manieth layer sees the whole text.
        vocabulary: tokens of its embedding; by default as many as the tokenizer has.
        seed: for the weights.
    """
    if vocabulary is None:
        vocabulary = len(AutoTokenizer.from_pretrained(path))
    config = Gemma3TextConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=1,
        head_dim=head_dim,
        query_pre_attn_scalar=head_dim,
        sliding_window=window,
        layer_types=["sliding_attention" if (layer + 1) % whole else "full_attention" for layer in range(layers)],
        max_position_embeddings=32768,
        # Small models learn much faster from weights that are not next to nothing.
        initializer_range=hidden**-0.5 / 1.25,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    model = Gemma3ForCausalLM(config)
    model.train(False)
    model.save_pretrained(path)
    return model


def train(
    path: Path, pairs: Sequence[tuple[str, str]], *, steps: int = 200, rate: float = 3e-3, batch: int = 8
) -> float:
    """Trains the model in a folder on prompts and what is to follow, and saves it there.

    Args:
        path: the folder, with model and tokenizer in it.
        pairs: prompts and completions, control tokens written out.
        steps: batches to learn from.
        rate: highest learning rate; it falls to nothing.
        batch: pairs in a batch.

    Returns:
        The last batch's loss per token of the completions, nats.
    """
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).train()
    examples = [_example(tokenizer, *pair) for pair in pairs]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    loss = torch.zeros(())
    left: list[int] = []
    for _ in range(steps):
        if len(left) < batch:
            # Each comes as often as any other.
            left += torch.randperm(len(examples)).tolist()
        chosen, left = [examples[number] for number in left[:batch]], left[batch:]
        ids, targets = _batch(chosen, 0), _batch(chosen, 1)
        states = model.model(input_ids=ids).last_hidden_state[:, :-1]
        # Most of a batch is prompt: logits are computed where something is learned.
        learned = targets[:, 1:] != _IGNORED
        loss = cross_entropy(model.lm_head(states[learned]), targets[:, 1:][learned])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.save_pretrained(path)
    return float(loss.detach())


def _example(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], list[int]]:
    before: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    after: list[int] = tokenizer(completion, add_special_tokens=False)["input_ids"]
    return before + after, [_IGNORED] * len(before) + after


def _batch(chosen: Sequence[tuple[list[int], list[int]]], part: int) -> torch.Tensor:
    filler = (0, _IGNORED)[part]
    longest = max(len(example[part]) for example in chosen)
    # At the end, where causal attention keeps it out of everybody's sight.
    return torch.tensor([example[part] + [filler] * (longest - len(example[part])) for example in chosen])
