"""``python -m kubekuma``."""

from kubekuma.cli.main import main

raise SystemExit(main())
