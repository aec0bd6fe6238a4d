/**
 * A thief guesses PIN or PUK of a stolen chip and pulls the power wherever that may save a try. At both applets the try is
 * counted, durably, before anything is compared: until then right and wrong digits look alike, and from then on it is gone.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER } from "../../firmware/protocol/kinds.js";
import { PIN_TRIES, PUK_TRIES } from "../../firmware/protocol/limits.js";
import type { SimulatedChip } from "../../host/chips.js";
import { concatBytes, toHex } from "../../host/codec/bytes.js";
import { sha256 } from "../../host/crypto.js";
import { type Operation, PowerCut } from "../../simulator/faults.js";
import { type Tear, tearsOf } from "../../simulator/tears.js";
import { AgentWorld, PIN, PUK } from "../support/agents.js";
import { generator } from "../support/store-driver.js";

const WRONG_PIN = "0000";
const WRONG_PUK = "00000000";
const WORD_BYTES = 4;
/** Subsets of bits that are tried of each flash operation, beside the regular ones. */
const SUBSETS = 3;

const ascii = (digits: string) => new TextEncoder().encode(digits);
const two = (first: string, second: string) => concatBytes(Uint8Array.of(first.length), ascii(first), ascii(second));

interface Guess {
  readonly instruction: number;
  readonly wrong: Uint8Array;
  readonly right: Uint8Array;
  readonly tries: number;
  readonly counter: "pinTries" | "pukTries";
}

const GUESSES: Record<string, Guess> = {
  "the PIN by VERIFY": {
    instruction: p.INS_VERIFY,
    wrong: ascii(WRONG_PIN),
    right: ascii(PIN),
    tries: PIN_TRIES,
    counter: "pinTries",
  },
  "the PIN by CHANGE REFERENCE DATA": {
    instruction: p.INS_CHANGE_REFERENCE_DATA,
    wrong: two(WRONG_PIN, "4321"),
    right: two(PIN, "4321"),
    tries: PIN_TRIES,
    counter: "pinTries",
  },
  "the PUK by RESET RETRY COUNTER": {
    instruction: p.INS_RESET_RETRY_COUNTER,
    wrong: two(WRONG_PUK, "4321"),
    right: two(PUK, "4321"),
    tries: PUK_TRIES,
    counter: "pukTries",
  },
};

const chips = new Map<string, SimulatedChip>();
const images = new Map<SimulatedChip, Uint8Array>();

beforeAll(async () => {
  const world = new AgentWorld("pin guessing");
  const { agent, module } = await world.device("Alice", ROLE_CUSTOMER);
  for (const chip of [agent, module]) await chip.element.restart();
  for (const chip of [agent, module]) images.set(chip, chip.simulated.snapshot());
  chips.set("trusted agent", agent).set("money module", module);
});

describe.each(["trusted agent", "money module"])("at a %s", (sort) => {
  describe.each(Object.entries(GUESSES))("guessing %s", (_name, guess) => {
    let chip: SimulatedChip;
    beforeEach(() => {
      chip = chips.get(sort) as SimulatedChip;
      restore();
    });

    function restore(): void {
      chip.simulated.chip.onOperation = undefined;
      chip.simulated.restore(images.get(chip) as Uint8Array);
    }

    function send(data: Uint8Array): number {
      const apdu = Uint8Array.of(p.CLA_ISO, guess.instruction, 0, p.REFERENCE_PIN, data.length, ...data);
      const [high = 0, low = 0] = chip.simulated.transmit(apdu).subarray(-2);
      return (high << 8) | low;
    }

    /** The guess with the power cut in one of its operations; the status word if that operation never came. */
    function cut(data: Uint8Array, at: number, tear: (operation: Operation) => Tear): number | undefined {
      let count = 0;
      chip.simulated.chip.onOperation = (operation) => (count++ === at ? { cut: tear(operation) } : undefined);
      try {
        return send(data);
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        return undefined;
      } finally {
        chip.simulated.chip.onOperation = undefined;
        chip.simulated.powerOff();
      }
    }

    /** Every operation of it, as whoever watches power could tell them apart. */
    function trace(data: Uint8Array): Operation[] {
      restore();
      const seen: Operation[] = [];
      chip.simulated.chip.onOperation = (operation) => {
        seen.push({ ...operation });
        return undefined;
      };
      send(data);
      restore();
      return seen;
    }

    /** What the chip keeps, in flash and beside it, when power is pulled right after this operation. */
    function keptAfter(data: Uint8Array, at: number): string {
      restore();
      cut(data, at, () => "after");
      return toHex(sha256(chip.simulated.chip.snapshot()));
    }

    async function left(): Promise<number> {
      await chip.element.restart();
      return (await chip.element.counters())[guess.counter];
    }

    it("costs the try, or was not compared yet, wherever power is pulled", async () => {
      const [wrong, right] = [trace(guess.wrong), trace(guess.right)];
      const random = generator(11);
      /** The operation with which the try is gone for good. */
      let counted: number | undefined;
      for (const [at, operation] of wrong.entries()) {
        for (const tear of tearsOf(operation, WORD_BYTES, random, SUBSETS)) {
          restore();
          expect(cut(guess.wrong, at, () => tear)).toBeUndefined();
          const tries = await left();
          expect([guess.tries - 1, guess.tries]).toContain(tries);
          if (tear === "after" && tries < guess.tries) counted ??= at;
          // Once it is gone no later cut brings it back.
          if (counted !== undefined && at > counted) expect(tries).toBe(guess.tries - 1);
        }
      }
      expect(counted).toBeDefined();
      // Until then, and right then, flash, keys and counter say the same of right digits: nothing was compared.
      for (let at = 0; at <= (counted ?? 0); at += 1) {
        expect(right[at]).toEqual(wrong[at]);
        expect(keptAfter(guess.right, at)).toEqual(keptAfter(guess.wrong, at));
      }
    });

    it("gives right digits no more than they had, wherever power is pulled before the answer", async () => {
      for (const [at, operation] of trace(guess.right).entries()) {
        for (const tear of tearsOf(operation, WORD_BYTES, generator(12), SUBSETS)) {
          restore();
          const status = send(guess.wrong);
          expect(status & 0xfff0).toBe(p.SW_WARNING_TRIES);
          cut(guess.right, at, () => tear);
          const tries = await left();
          expect(tries).toBeLessThanOrEqual(guess.tries);
          // Neither is the PIN verified after power-up.
          const apdu = Uint8Array.of(p.CLA_ISO, p.INS_GET_DATA, p.TAG_CHAIN >> 8, p.TAG_CHAIN & 0xff, 0, 0, 0);
          expect([...chip.simulated.transmit(apdu)]).toEqual([0x69, 0x82]);
        }
      }
    });

    it("ends after as many answers as there are tries, whatever is pulled between them", async () => {
      const random = generator(13);
      const operations = trace(guess.wrong).length;
      let tries = guess.tries;
      let answers = 0;
      for (let round = 0; round < 12 * guess.tries && tries > 0; round += 1) {
        const at = random() % (operations + 2);
        const status = cut(guess.wrong, at, (operation) => {
          const tears = [...tearsOf(operation, WORD_BYTES, random, SUBSETS)];
          return tears[random() % tears.length] ?? "before";
        });
        if (status !== undefined) answers += 1;
        const now = await left();
        expect(status === undefined ? [tries - 1, tries] : [tries - 1]).toContain(now);
        tries = now;
      }
      while (tries > 0) {
        send(guess.wrong);
        answers += 1;
        tries = await left();
      }
      expect(answers).toBeLessThanOrEqual(guess.tries);
      expect(send(guess.right)).toBe(p.SW_BLOCKED);
    });
  });
});
