/** What counts as hung in tests: seconds. */
export const HANG_TEST_SECONDS = 10;
