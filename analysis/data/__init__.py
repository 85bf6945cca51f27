"""Read results: ledgers, W&B runs, CSV and Parquet files become one tidy table."""
