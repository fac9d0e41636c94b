//! Real servers for tests: started on free ports of 127.0.0.1, broken on purpose, gone when the test is over.
