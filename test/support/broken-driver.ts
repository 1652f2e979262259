// Loaded before the command line (node --import): a test device that forgets what it is told.
import { TestHandle } from "@hms/driver-test";

TestHandle.prototype.invalidate = () => true;
