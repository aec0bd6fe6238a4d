import { expect, test } from "vitest";
import * as statusWords from "../../firmware/protocol/apdu.js";
import * as reasons from "../../firmware/protocol/reasons.js";
import { ReasonError, reasonSentence } from "../../host/reasons.js";
import { statusSentence } from "../../host/status-words.js";

test("every reason of the firmware has a sentence of its own", () => {
  const unknown = reasonSentence(999).replace("999", "#");
  const sentences = Object.values(reasons).map((code) => reasonSentence(code));
  expect(sentences.length).toBeGreaterThan(40);
  for (const [i, code] of Object.values(reasons).entries()) {
    expect(sentences[i]?.replace(String(code), "#"), `reason ${code}`).not.toBe(unknown);
  }
  expect(new Set(sentences).size).toBe(sentences.length);
});

test("every sentence is whole: it ends, and it says what becomes of the money or what to do", () => {
  for (const code of Object.values(reasons)) {
    const sentence = reasonSentence(code);
    expect(sentence).toMatch(/^[A-Z].*\.$/);
    expect(sentence.split(". ").length, sentence).toBeGreaterThanOrEqual(2);
  }
});

test("every error status of the firmware has a sentence", () => {
  const notErrors = ["SW_OK", "SW_FETCH", "SW_MORE", "SW_WRONG_LE"];
  const names = Object.keys(statusWords).filter((name) => name.startsWith("SW_") && !notErrors.includes(name));
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) {
    const status = (statusWords as Record<string, number>)[name] ?? 0;
    expect(statusSentence(status), name).not.toMatch(/does not know. Check the firmware's version/);
  }
});

test("an error says who ended it", () => {
  const error = new ReasonError(reasons.REASON_DECLINED, true);
  expect(error.message).toMatch(/declined.*No money moved.*130, by the other side/);
});
