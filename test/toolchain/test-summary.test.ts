import { describe, expect, test } from "vitest";
import { summaryOf } from "../../scripts/test-summary.js";

function report(success: boolean, ...files: [status: string, ...assertions: string[]][]): string {
  const testResults = files.map(([status, ...assertions], i) => ({
    name: `file${i}`,
    status,
    assertionResults: assertions.map((assertion) => ({ status: assertion })),
  }));
  return JSON.stringify({ success, testResults });
}

describe("the count of tests never claims a success that was not", () => {
  test("all passed", () => {
    const text = report(true, ["passed", "passed", "passed"], ["passed", "passed", "skipped"]);
    expect(summaryOf(text, 0)).toEqual({ passed: 3, failed: 0, problems: [] });
  });

  test("failures are counted", () => {
    const text = report(false, ["failed", "passed", "failed", "failed"], ["passed", "passed"]);
    expect(summaryOf(text, 1)).toEqual({ passed: 2, failed: 2, problems: [] });
  });

  test.each([
    ["no report", undefined, 0],
    ["half a report", '{"success":true,"testRes', 0],
    ["another thing than a report", '{"success":true}', 0],
    ["a file that did not load", report(false, ["failed"], ["passed", "passed"]), 1],
    ["no test at all", report(true), 0],
    ["only skipped tests", report(true, ["passed", "skipped"]), 0],
    ["a runner that failed after all passed", report(true, ["passed", "passed"]), 1],
    ["a runner that a signal ended", report(true, ["passed", "passed"]), null],
    ["a run that is not a success", report(false, ["passed", "passed"]), 0],
  ])("%s counts as a failure", (_what, text, exitStatus) => {
    const { failed, problems } = summaryOf(text, exitStatus);
    expect(failed).toBeGreaterThan(0);
    expect(problems).not.toEqual([]);
  });
});
