DROP TABLE quotes_daily;
DROP TABLE quotes;
DROP TABLE portfolio_analyses;
DROP TABLE portfolio_versions;
DROP TABLE portfolios;
