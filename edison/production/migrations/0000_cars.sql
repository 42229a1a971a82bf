CREATE TABLE `cars` (
	`external_id` text PRIMARY KEY NOT NULL,
	`model` text NOT NULL,
	`options` text NOT NULL,
	`due_date` text NOT NULL
);
