CREATE TABLE `deliveries` (
	`external_id` text PRIMARY KEY NOT NULL,
	`model` text NOT NULL,
	`customer_name` text NOT NULL,
	`address` text,
	`delivery_date` text NOT NULL
);
