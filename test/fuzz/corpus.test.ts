/** What the fuzzer kept: every input is run again, and still reaches what no recorded session does. */

import { beforeAll, expect, test } from "vitest";
import { readCorpus } from "./corpus.js";
import { asFinding, Engine } from "./engine.js";
import { workshop } from "./setup.js";

const KEPT_MIN = 100;
const WHOLE_TEST_MS = 120_000;

let engine: Engine;
beforeAll(async () => {
  engine = new Engine((await workshop()).groups, "corpus");
});

test(
  "every input of the corpus keeps all rules",
  () => {
    const corpus = readCorpus();
    expect(corpus.length).toBeGreaterThan(KEPT_MIN);
    const broken: string[] = [];
    let reached = 0;
    for (const input of corpus) {
      try {
        engine.target(input.target).run(input, () => {
          reached += 1;
        });
      } catch (error) {
        broken.push(`${input.target}: ${asFinding(error).message}`);
      }
    }
    expect(broken).toEqual([]);
    expect(reached).toBeGreaterThan(corpus.length);
  },
  WHOLE_TEST_MS,
);
