/** `tally proof`: what the bank has noticed, as proofs that anybody can check. */

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { TREE_MODULES } from "../../firmware/protocol/kinds.js";
import { ID_BYTES } from "../../firmware/protocol/limits.js";
import { Agency } from "../agencies.js";
import { fromHex, toHex } from "../codec/bytes.js";
import type { Root } from "../codec/certificate.js";
import { checkFraudProof, PROOF_BYTES_MAX, type Verdict } from "../fraud-verifier.js";
import type { Finding } from "../services/reconciliation.js";
import { readState } from "../world/state.js";
import { type GlobalOptions, outputFor, withWorld } from "./context.js";
import { EXIT_FAILED } from "./output.js";

const KEY_BYTES = 32;

/** A file or number on the command line that cannot be used. */
class ProofInputError extends Error {
  constructor(what: string) {
    super(`${what} Nothing was checked or written, and no money moved.`);
    this.name = "ProofInputError";
  }
}

export function addProof(program: Command): void {
  const proof = program.command("proof").description("proofs that a module has spent what it did not have");
  proof
    .command("check")
    .description("check a proof with the root of the modules alone: exit code 0 if it proves something, 1 if not")
    .argument("<file>", "the proof")
    .requiredOption("--root <file-or-home>", "a file from `tally proof root`, or a home")
    .action((file: string, options: { root: string }, command: Command) => {
      const output = outputFor(command.optsWithGlobals<GlobalOptions>());
      const verdict = checkFraudProof(readProof(file), rootIn(options.root));
      output.result(verdict, [sentenceOf(verdict)]);
      if (!verdict.proved) process.exitCode = EXIT_FAILED;
    });
  proof
    .command("list")
    .description("what the bank of the home has noticed of notes that came back")
    .argument("[number]", "only this one")
    .option("--out <file>", "write its proof there")
    .action(async (number: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { out?: string }>();
      const all = await withWorld(options, (world) => world.bank.findings());
      const findings = number === undefined ? all : [findingOf(all, number)];
      if (options.out !== undefined) writeFileSync(options.out, theProof(findings));
      const lines = findings.length === 0 ? ["Nothing was noticed: every note that came back fits."] : [];
      outputFor(options).result({ findings: findings.map(jsonOf) }, [...lines, ...findings.map(lineOf)]);
    });
  proof
    .command("root")
    .description("the public root of the home's modules, for whoever checks a proof")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const root = await withWorld(options, async (world) => world.agencies.modules.root);
      const file = { id: toHex(root.id), publicKey: toHex(root.publicKey) };
      outputFor(options).result(file, [JSON.stringify(file)]);
    });
}

function readProof(file: string): Uint8Array {
  const size = sizeOf(file);
  if (size > PROOF_BYTES_MAX) throw new ProofInputError(`${file} has ${size} bytes, which no proof has.`);
  return new Uint8Array(readFileSync(file));
}

function sizeOf(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true) throw new ProofInputError(`There is no file ${file}.`);
  return found.size;
}

/** From a file with the public root, or from a home, which knows more than that. */
function rootIn(place: string): Root {
  if (statSync(place, { throwIfNoEntry: false })?.isDirectory() === true) return rootOfHome(place);
  if (sizeOf(place) > PROOF_BYTES_MAX) throw new ProofInputError(`${place} is no root.`);
  try {
    const read = JSON.parse(readFileSync(place, "utf8")) as { id: string; publicKey: string };
    const root = { tree: TREE_MODULES, id: fromHex(read.id), publicKey: fromHex(read.publicKey) };
    if (root.id.length === ID_BYTES && root.publicKey.length === KEY_BYTES) return root;
  } catch {
    // What is wrong with it does not matter: below.
  }
  throw new ProofInputError(`${place} is no root: make one with "tally proof root".`);
}

function rootOfHome(place: string): Root {
  const holds = (name: string) => statSync(join(place, name), { throwIfNoEntry: false }) !== undefined;
  const read = (name: string) => (holds(name) ? readFileSync(join(place, name), "utf8") : undefined);
  // Only read, so that a home at work need not be waited for.
  const state = readState({ place, holds, read });
  if (state === undefined) throw new ProofInputError(`There is no economy in ${place}.`);
  return new Agency(state.agencies.modules).root;
}

function findingOf(findings: readonly Finding[], number: string): Finding {
  const found = findings.find((finding) => String(finding.number) === number);
  if (found === undefined) throw new ProofInputError(`The bank has no finding ${number}; it has ${findings.length}.`);
  return found;
}

function theProof(findings: readonly Finding[]): Uint8Array {
  const [finding] = findings;
  if (finding === undefined) throw new ProofInputError("The bank has found nothing to prove.");
  if (findings.length > 1) throw new ProofInputError(`There are ${findings.length} findings: say the number of one.`);
  if (finding.proof === undefined) throw new ProofInputError("Only the bank's own books show this; there is no proof.");
  return finding.proof;
}

function sentenceOf(verdict: Verdict): string {
  if (!verdict.proved) return `Nothing is proved: ${verdict.why}.`;
  return `Proved: module ${verdict.culprit} (role ${verdict.role}) ${verdict.by}.`;
}

function jsonOf({ number, kind, culprit, proof, found_seconds }: Finding) {
  return { number, kind, culprit, proofBytes: proof?.length ?? null, found_seconds };
}

function lineOf({ number, kind, culprit, proof }: Finding): string {
  const size = proof === undefined ? "no proof" : `proof of ${proof.length} bytes`;
  return `${String(number).padStart(4)}  ${culprit}  ${kind.padEnd(8)}  ${size}`;
}
