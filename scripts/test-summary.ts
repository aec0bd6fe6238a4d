/** What a run of vitest amounts to, from its JSON report and its exit status. Never success without proof. */

export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly problems: readonly string[];
}

interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

function parse(text: string | undefined): Report | undefined {
  if (text === undefined) return undefined;
  try {
    const report = JSON.parse(text) as Partial<Report>;
    return Array.isArray(report.testResults) && typeof report.success === "boolean" ? (report as Report) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param reportText the JSON report, undefined when there is none
 * @param exitStatus of the runner, null when a signal ended it
 */
export function summaryOf(reportText: string | undefined, exitStatus: number | null): TestSummary {
  const report = parse(reportText);
  if (report === undefined) return { passed: 0, failed: 1, problems: ["The test runner left no report."] };
  const problems: string[] = [];
  let passed = 0;
  let failed = 0;
  for (const file of report.testResults) {
    const statuses = file.assertionResults.map((assertion) => assertion.status);
    passed += statuses.filter((status) => status === "passed").length;
    const failures = statuses.filter((status) => status === "failed").length;
    failed += failures;
    if (file.status !== "passed" && failures === 0) {
      problems.push(`${file.name} did not run to its end.`);
      failed++;
    }
  }
  if (failed === 0 && passed === 0) problems.push("No test ran.");
  else if (failed === 0 && (exitStatus !== 0 || !report.success)) {
    problems.push(`The test runner ended with ${exitStatus ?? "a signal"}, although no test failed.`);
  }
  return { passed, failed: failed === 0 ? Math.min(problems.length, 1) : failed, problems };
}
